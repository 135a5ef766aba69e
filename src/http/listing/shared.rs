//! One reading of a folder at a time, and one copy of each document, however many clients ask.
//!
//! A client that comes while a folder is being read waits for its turn. It takes what another one read only if that reading
//! *began after the client asked*, so that no answer is older than its question. Equal documents that are on their way at the
//! same time share their bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use actix_web::web::Bytes;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore};

use super::budget::{BUDGET, Budget, Counted};
use super::part::Part;
use super::rows::{Audience, Rows, View};
use super::{NotListed, json, page};
use crate::access::{Access, Visitor};
use crate::http::Store;
use crate::http::message::accept::Form;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{OpenError, processors};
use crate::validator_store::digest::Digest;

/// The listings of a site that are being made and sent.
pub(in crate::http) struct Listings {
    budget: Arc<Budget>,
    /// Bounds how many folders are read at once.
    places: Arc<Semaphore>,
    folders: Mutex<HashMap<ResourcePath<'static>, Folder>>,
    /// The large documents that are on their way.
    texts: Mutex<Texts>,
}

/// A folder that somebody waits for.
struct Folder {
    clients: usize,
    turn: Arc<Turn<Option<Reading>>>,
}

/// What was read of a folder. It is kept as long as others wait, who may have asked before it began.
struct Reading {
    began: Instant,
    edition: u64,
    visitor: Visitor,
    rows: Rows,
    documents: HashMap<(Form, Part), Document>,
}

/// A listing, ready to send.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) digest: Digest,
    pub(super) body: Bytes,
    pub(super) audience: Audience,
    /// The number of entries of the folder.
    pub(super) count: usize,
}

/// What a client asks for.
pub(super) struct Question {
    pub(super) store: Arc<Store>,
    pub(super) path: ResourcePath<'static>,
    pub(super) form: Form,
    pub(super) part: Part,
    pub(super) visitor: Visitor,
    pub(super) access: Arc<Access>,
    pub(super) dotfiles: Dotfiles,
    /// Tells apart the options of the site.
    pub(super) edition: u64,
    asked: Instant,
}

/// One client's place among those who wait for a folder, until it is dropped.
struct Place {
    listings: Arc<Listings>,
    path: ResourcePath<'static>,
}

/// Documents by digest.
#[derive(Default)]
struct Texts {
    of: HashMap<Digest, Weak<Counted<u8>>>,
    /// With so many it is time to look for those that have gone.
    sweep: usize,
}

/// The bytes of a document, which count until the last client has them.
struct Text(Arc<Counted<u8>>);

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.items()
    }
}

impl Default for Listings {
    fn default() -> Self {
        Self {
            budget: Budget::new(BUDGET),
            places: Arc::new(Semaphore::new(processors() * 2)),
            folders: Mutex::default(),
            texts: Mutex::default(),
        }
    }
}

impl Question {
    /// A question that is asked now.
    pub(super) fn new(
        site: &crate::http::Site,
        path: &ResourcePath<'_>,
        (form, part): (Form, Part),
        visitor: Visitor,
    ) -> Self {
        Self {
            store: Arc::clone(&site.store),
            path: path.clone().into_owned(),
            form,
            part,
            visitor,
            access: Arc::clone(&site.options.access),
            dotfiles: site.options.dotfiles,
            edition: site.edition,
            asked: Instant::now(),
        }
    }

    /// Whether `reading` answers it, and is not older than it.
    fn is_answered_by(&self, reading: &Reading) -> bool {
        reading.began >= self.asked && (reading.edition, reading.visitor) == (self.edition, self.visitor)
    }
}

impl Listings {
    /// Lists a folder.
    ///
    /// # Errors
    /// [`NotListed`].
    pub(super) async fn list(self: &Arc<Self>, question: Question) -> Result<Document, NotListed> {
        let (place, turn) = self.enter(&question.path);
        let turn = turn.lock_owned().await;
        if let Some(reading) = turn.as_ref().filter(|reading| question.is_answered_by(reading))
            && let Some(document) = reading.documents.get(&(question.form, question.part))
        {
            return Ok(document.clone());
        }
        let reading = Arc::clone(&self.places).acquire_owned().await;
        let reading = reading.map_err(|_| NotListed::Open(OpenError::Overloaded))?;
        let listings = Arc::clone(self);
        // The work goes on when the client leaves, and keeps its turn: asking and leaving again and again begins nothing anew.
        let making = crate::blocking::spawn(move || {
            let (_place, _reading, mut turn) = (place, reading, turn);
            listings.answer(&question, &mut turn)
        });
        making.await.unwrap_or(Err(NotListed::Open(OpenError::Overloaded)))
    }

    /// A place among those who wait for the folder at `path`.
    fn enter(self: &Arc<Self>, path: &ResourcePath<'static>) -> (Place, Arc<Turn<Option<Reading>>>) {
        let mut folders = self.folders();
        let folder = folders
            .entry(path.clone())
            .or_insert_with(|| Folder { clients: 0, turn: Arc::new(Turn::new(None)) });
        folder.clients += 1;
        (Place { listings: Arc::clone(self), path: path.clone() }, Arc::clone(&folder.turn))
    }

    /// The blocking part: reads the folder, unless that has been done since the question was asked, and writes the document.
    fn answer(
        &self,
        question: &Question,
        turn: &mut OwnedMutexGuard<Option<Reading>>,
    ) -> Result<Document, NotListed> {
        if !turn.as_ref().is_some_and(|reading| question.is_answered_by(reading)) {
            // What was read before makes room first.
            **turn = None;
            **turn = Some(self.read(question)?);
        }
        let Some(reading) = turn.as_mut() else { return Err(NotListed::Open(OpenError::Overloaded)) };
        let key = (question.form, question.part);
        if let Some(document) = reading.documents.get(&key) {
            return Ok(document.clone());
        }
        let document = self.write(question, &reading.rows)?;
        reading.documents.insert(key, document.clone());
        Ok(document)
    }

    fn read(&self, question: &Question) -> Result<Reading, NotListed> {
        let began = Instant::now();
        let Question { store, path, visitor, access, dotfiles, edition, .. } = question;
        let view = View { visitor: *visitor, access, dotfiles: *dotfiles };
        let rows = Rows::read(store, path, &view, &self.budget)?;
        Ok(Reading { began, edition: *edition, visitor: *visitor, rows, documents: HashMap::new() })
    }

    fn write(&self, question: &Question, rows: &Rows) -> Result<Document, NotListed> {
        let mut text = Counted::new(&self.budget);
        match question.form {
            Form::Html => page::write(&mut text, &question.path, rows, question.part)?,
            Form::Json => json::write(&mut text, rows, question.part)?,
        }
        text.shrink();
        let digest = Digest::of(question.store.algorithm(), text.items());
        let body = Bytes::from_owner(Text(self.share(digest, text)));
        Ok(Document { digest, body, audience: rows.audience(), count: rows.len() })
    }

    /// The document of these bytes that is on its way already, or this one.
    fn share(&self, digest: Digest, text: Counted<u8>) -> Arc<Counted<u8>> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.of.len() >= texts.sweep {
            texts.of.retain(|_, text| text.strong_count() > 0);
            texts.sweep = (texts.of.len() * 2).max(64);
        }
        // Somebody may have chosen file names so that two listings have the same digest.
        let known = texts.of.get(&digest).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.items() == text.items()) {
            return known;
        }
        let text = Arc::new(text);
        texts.of.insert(digest, Arc::downgrade(&text));
        text
    }

    fn folders(&self) -> MutexGuard<'_, HashMap<ResourcePath<'static>, Folder>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut folders = self.listings.folders();
        let Some(folder) = folders.get_mut(&self.path) else { return };
        folder.clients -= 1;
        // Dropped outside the lock: it may be large.
        let _left = if folder.clients == 0 { folders.remove(&self.path) } else { None };
        drop(folders);
    }
}

#[cfg(test)]
impl Listings {
    /// Whether nothing is made, sent or kept.
    pub(super) fn is_idle(&self) -> bool {
        self.folders().is_empty() && self.budget.used() == 0
    }

    /// Waits for a folder like a client, until it is dropped.
    pub(super) fn wait_for(self: &Arc<Self>, path: &ResourcePath<'static>) -> impl Sized + use<> {
        self.enter(path)
    }
}
