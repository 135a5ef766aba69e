//! Writes from their head to what is there in the end.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::access::Network;
use crate::resource_path::Dotfiles;
use crate::root::{Place, Root, SymlinkPolicy};
use crate::semantics::Field;
use crate::semantics::entity_tag::EntityTagList;
use crate::semantics::integrity::{ExpectedDigests, IntegrityField};
use crate::validator_store::StoreOptions;
use crate::validator_store::digest::{Digest, DigestAlgorithm};
use crate::validator_store::index::IndexMode;

/// All that can be allowed is allowed.
const ALL: WriteOptions = WriteOptions {
    uploads: Uploads::Allowed,
    deletes: Deletes::Allowed,
    durability: Durability::None,
    ..WriteOptions::READ_ONLY
};

/// A client that cannot be told from others.
const NOBODY: Client = Client::Address(None);

/// More than is gathered before the disk is troubled.
const LARGE: usize = 700 * 1024;

/// A writer to a folder of its own.
pub(super) struct Folder {
    folder: tempfile::TempDir,
    pub(super) writer: Arc<Writer<()>>,
}

impl Folder {
    fn with(options: WriteOptions, symlinks: SymlinkPolicy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path(), symlinks).unwrap();
        let store = StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 1 << 20, index: IndexMode::Off };
        let store = ValidatorStore::new(root, store, Box::new(|_, _, _| ()));
        Self { folder, writer: Writer::new(store, options) }
    }

    pub(super) fn new() -> Self {
        Self::with(ALL, SymlinkPolicy::Within)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &str) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(super) fn place(&self, name: &str) -> Place {
        self.writer.store.root().place(&resource(name), Parents::Existing).unwrap()
    }

    /// The bytes at a name; `None`: there is nothing.
    pub(super) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// All names, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn receive(&self, name: &str, body: &[u8]) -> Upload<()> {
        let mut upload =
            Upload::begin(&self.writer, NOBODY, &resource(name), None, ExpectedDigests::default()).unwrap();
        for piece in body.chunks(100_000) {
            upload.push(piece).await.unwrap();
        }
        upload
    }

    async fn put(&self, name: &str, body: impl AsRef<[u8]>, fields: Fields) -> &'static str {
        let upload = self.receive(name, body.as_ref()).await;
        told(&self.writer.put(upload, preconditions(fields)).await)
    }

    async fn delete(&self, name: &str, fields: Fields) -> &'static str {
        told(&self.writer.delete(&NOBODY, resource(name), preconditions(fields)).await)
    }

    async fn verdict(&self, name: &str, intent: Intent, fields: Fields) -> &'static str {
        match self.writer.verdict(&resource(name), intent, &preconditions(fields)).await {
            Ok(()) => "passes",
            Err(refusal) => refused(&refusal),
        }
    }
}

pub(super) fn resource(name: &str) -> ResourcePath<'static> {
    let name = format!("/{name}");
    ResourcePath::parse(&name, Dotfiles::Hidden).unwrap().path.into_owned()
}

/// The precondition of a request.
#[derive(Clone, Copy, Debug)]
enum Fields {
    Nothing,
    /// `If-Match` with the tag of these bytes.
    Match(&'static str),
    MatchAny,
    /// `If-None-Match` with the tag of these bytes.
    NoneMatch(&'static str),
    NoneMatchAny,
}

fn tag_of(bytes: &[u8]) -> String {
    Digest::of(DigestAlgorithm::Xxh3, bytes).entity_tag().to_string()
}

fn list(line: &str) -> Field<EntityTagList<'static>> {
    EntityTagList::parse([line.as_bytes()]).map(EntityTagList::into_owned)
}

fn preconditions(fields: Fields) -> Preconditions<'static> {
    let nothing = Preconditions::default();
    match fields {
        Fields::Nothing => nothing,
        Fields::Match(bytes) => Preconditions { if_match: list(&tag_of(bytes.as_bytes())), ..nothing },
        Fields::MatchAny => Preconditions { if_match: list("*"), ..nothing },
        Fields::NoneMatch(bytes) => {
            Preconditions { if_none_match: list(&tag_of(bytes.as_bytes())), ..nothing }
        }
        Fields::NoneMatchAny => Preconditions { if_none_match: list("*"), ..nothing },
    }
}

fn told(outcome: &WriteOutcome<()>) -> &'static str {
    match outcome {
        WriteOutcome::Created(_) => "created",
        WriteOutcome::Replaced(_) => "replaced",
        WriteOutcome::Deleted => "deleted",
        WriteOutcome::Replayed => "replayed",
        WriteOutcome::Unsettled(_) => "unsettled",
        WriteOutcome::Refused(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Failed(field) => field.name(),
        Refusal::Unconditional => "unconditional",
        Refusal::Exists => "exists",
        Refusal::Nothing => "nothing",
        Refusal::Writers => "writers",
        Refusal::Impossible(WriteError::Folder) => "folder",
        Refusal::Impossible(WriteError::NotAFile) => "no file",
        Refusal::Impossible(WriteError::ParentNotAFolder) => "no folder",
        Refusal::Impossible(WriteError::Full) => "full",
        Refusal::Mismatch(_) | Refusal::TooMany(_) | Refusal::Impossible(_) => "other",
    }
}

#[tokio::test]
async fn what_is_there_and_what_was_asked_for_decide() {
    use Fields::{Match, MatchAny, NoneMatch, NoneMatchAny, Nothing};
    // What is there, the fields, what PUT of "new" is told, what DELETE is told.
    let table = [
        (None, Nothing, "created", "nothing"),
        (None, NoneMatchAny, "created", "nothing"),
        (None, NoneMatch("old"), "created", "nothing"),
        (None, MatchAny, "If-Match", "nothing"),
        (None, Match("old"), "If-Match", "nothing"),
        (Some("old"), Nothing, "replaced", "deleted"),
        (Some("old"), MatchAny, "replaced", "deleted"),
        (Some("old"), Match("old"), "replaced", "deleted"),
        (Some("old"), Match("other"), "If-Match", "If-Match"),
        (Some("old"), NoneMatchAny, "If-None-Match", "If-None-Match"),
        (Some("old"), NoneMatch("old"), "If-None-Match", "If-None-Match"),
        (Some("old"), NoneMatch("other"), "replaced", "deleted"),
    ];
    let large = "n".repeat(LARGE);
    for (there, fields, put, delete) in table {
        for new in ["new", "", large.as_str()] {
            let folder = Folder::new();
            if let Some(bytes) = there {
                folder.write("f", bytes);
            }
            assert_eq!(folder.put("f", new, fields).await, put, "{there:?} {fields:?}");
            let changed = matches!(put, "created" | "replaced");
            let expected = if changed { Some(new) } else { there };
            assert_eq!(folder.read("f").as_deref(), expected, "{there:?} {fields:?}");
            let expected: &[&str] = if changed || there.is_some() { &["f"] } else { &[] };
            assert_eq!(folder.names(), expected, "{there:?} {fields:?}");
        }
        let folder = Folder::new();
        if let Some(bytes) = there {
            folder.write("f", bytes);
        }
        assert_eq!(folder.delete("f", fields).await, delete, "{there:?} {fields:?}");
        assert_eq!(folder.names().is_empty(), there.is_none() || delete == "deleted");
        // The head alone says the same, but for what the body decides.
        for (intent, told) in [(Intent::Put(Some(3)), put), (Intent::Delete, delete)] {
            let folder = Folder::new();
            if let Some(bytes) = there {
                folder.write("f", bytes);
            }
            let passes = matches!(told, "created" | "replaced" | "deleted");
            let expected = if passes { "passes" } else { told };
            assert_eq!(folder.verdict("f", intent, fields).await, expected, "{there:?} {fields:?}");
        }
    }
}

#[tokio::test]
async fn options_narrow_what_may_be_done() {
    use Fields::{Match, MatchAny, NoneMatchAny, Nothing};
    let create_only = WriteOptions { uploads: Uploads::CreateOnly, ..ALL };
    let guarded = WriteOptions { unconditional: Unconditional::Refused, ..ALL };
    let replay = WriteOptions { replay: Replay::Succeeds, ..ALL };
    let table = [
        (create_only, Nothing, "exists"),
        (create_only, Match("old"), "exists"),
        // The precondition goes first.
        (create_only, Match("other"), "If-Match"),
        (guarded, Nothing, "unconditional"),
        (guarded, MatchAny, "replaced"),
        (guarded, Match("old"), "replaced"),
        (guarded, NoneMatchAny, "If-None-Match"),
        (replay, Match("other"), "If-Match"),
    ];
    for (options, fields, told) in table {
        let folder = Folder::with(options, SymlinkPolicy::Within);
        folder.write("f", "old");
        assert_eq!(folder.put("f", "new", fields).await, told, "{options:?} {fields:?}");
        let expected = if told == "replaced" { "new" } else { "old" };
        assert_eq!(folder.read("f").as_deref(), Some(expected));
        assert_eq!(folder.put("g", "new", NoneMatchAny).await, "created", "what is not there may be made");
    }
    let folder = Folder::with(guarded, SymlinkPolicy::Within);
    folder.write("f", "old");
    assert_eq!(folder.delete("f", Nothing).await, "unconditional");
    assert_eq!(folder.put("new", "new", Nothing).await, "created");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_succeeds_again_where_that_is_wanted() {
    for (replay, told) in [(Replay::Succeeds, "replayed"), (Replay::Fails, "If-Match")] {
        let folder = Folder::with(WriteOptions { replay, ..ALL }, SymlinkPolicy::Within);
        folder.write("f", "old");
        assert_eq!(folder.put("f", "new", Fields::Match("old")).await, "replaced");
        assert_eq!(folder.put("f", "new", Fields::Match("old")).await, told);
        assert_eq!(folder.put("f", "newer", Fields::Match("old")).await, "If-Match");
        assert_eq!(folder.read("f").as_deref(), Some("new"));
    }
}

#[tokio::test]
async fn what_cannot_be_written_says_why() {
    let folder = Folder::new();
    fs::create_dir(folder.path("folder")).unwrap();
    folder.write("f", "old");
    std::os::unix::fs::symlink("nowhere", folder.path("dangling")).unwrap();
    for (name, told) in [("folder", "folder"), ("dangling", "no file"), ("f/within", "no folder")] {
        assert_eq!(folder.put(name, "new", Fields::Nothing).await, told, "{name}");
        assert_eq!(folder.verdict(name, Intent::Put(None), Fields::Nothing).await, told, "{name}");
    }
    for (name, told) in [("folder", "folder"), ("dangling", "nothing"), ("none/within", "nothing")] {
        assert_eq!(folder.delete(name, Fields::Nothing).await, told, "{name}");
    }
    assert_eq!(folder.verdict("f", Intent::Put(Some(u64::MAX)), Fields::Nothing).await, "full");
    assert_eq!(folder.names(), ["dangling", "f", "folder"]);
}

#[tokio::test]
async fn folders_on_the_way_are_made_for_a_file_and_for_nothing_else() {
    let folder = Folder::new();
    assert_eq!(folder.put("one/two/f", "new", Fields::MatchAny).await, "If-Match");
    assert_eq!(folder.names(), [] as [&str; 0]);
    assert_eq!(folder.put("one/two/f", "new", Fields::Nothing).await, "created");
    assert_eq!(folder.read("one/two/f").as_deref(), Some("new"));
    let large = "n".repeat(LARGE);
    assert_eq!(folder.put("three/four/f", &large, Fields::NoneMatchAny).await, "created");
    assert_eq!(folder.read("three/four/f"), Some(large));
}

#[tokio::test]
async fn a_body_that_is_given_up_or_is_not_what_was_promised_changes_nothing() {
    for body in ["new".to_owned(), "n".repeat(LARGE)] {
        let folder = Folder::new();
        folder.write("f", "old");
        drop(folder.receive("f", body.as_bytes()).await);
        let other = format!("sha-256=:{}=:", "A".repeat(43));
        let promise = |field| (field == IntegrityField::ReprDigest).then_some(other.as_bytes());
        let expected = ExpectedDigests::parse(promise).unwrap();
        let mut upload = Upload::begin(&folder.writer, NOBODY, &resource("f"), None, expected).unwrap();
        upload.push(body.as_bytes()).await.unwrap();
        let outcome = folder.writer.put(upload, Preconditions::default()).await;
        assert!(matches!(outcome, WriteOutcome::Refused(Refusal::Mismatch(_))));
        assert_eq!((folder.names(), folder.read("f")), (vec!["f".to_owned()], Some("old".to_owned())));
    }
}

#[tokio::test]
async fn a_version_that_was_written_is_known_at_once() {
    let folder = Folder::new();
    for (body, told) in [("one", "created"), ("two", "replaced")] {
        let upload = folder.receive("f", body.as_bytes()).await;
        let outcome = folder.writer.put(upload, Preconditions::default()).await;
        assert_eq!(self::told(&outcome), told);
        let (WriteOutcome::Created(entry) | WriteOutcome::Replaced(entry)) = outcome else { return };
        assert_eq!(entry.validators().entity_tag.as_ref().unwrap().to_string(), tag_of(body.as_bytes()));
        assert!(Arc::ptr_eq(&entry, &folder.writer.store.hit("f").expect("known")));
    }
}

#[tokio::test]
async fn a_link_is_written_through_and_large_bodies_are_staged_where_it_leads() {
    use std::os::unix::fs::MetadataExt;
    let folder = Folder::with(ALL, SymlinkPolicy::All);
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    if fs::metadata(elsewhere.path()).unwrap().dev() == fs::metadata(folder.folder.path()).unwrap().dev() {
        // One filesystem only: nothing to be seen.
        return;
    }
    let target = elsewhere.path().join("f");
    for body in ["new".to_owned(), "n".repeat(LARGE)] {
        fs::write(&target, "old").unwrap();
        let _ = fs::remove_file(folder.path("link"));
        std::os::unix::fs::symlink(&target, folder.path("link")).unwrap();
        assert_eq!(folder.put("link", &body, Fields::Match("old")).await, "replaced");
        assert_eq!(fs::read_to_string(&target).unwrap(), body);
        assert!(fs::symlink_metadata(folder.path("link")).unwrap().is_symlink());
    }
}

#[tokio::test]
async fn a_deleted_link_is_gone_and_what_it_led_to_stays() {
    use Fields::{Match, MatchAny, Nothing};
    for (fields, told) in
        [(Nothing, "deleted"), (MatchAny, "deleted"), (Match("old"), "deleted"), (Match("other"), "If-Match")]
    {
        let folder = Folder::new();
        folder.write("f", "old");
        std::os::unix::fs::symlink("f", folder.path("link")).unwrap();
        assert_eq!(folder.delete("link", fields).await, told, "{fields:?}");
        let expected: &[&str] = if told == "deleted" { &["f"] } else { &["f", "link"] };
        assert_eq!(folder.names(), expected, "{fields:?}");
        assert_eq!(folder.read("f").as_deref(), Some("old"));
    }
}

#[tokio::test]
async fn somebody_who_writes_for_long_is_told_and_is_not_in_the_way_of_who_does_not_ask() {
    let folder = Folder::new();
    folder.write("f", "old");
    let writer = fs::File::options().append(true).open(folder.path("f")).unwrap();
    assert_eq!(folder.put("f", "new", Fields::Match("old")).await, "writers");
    assert_eq!(folder.delete("f", Fields::Match("old")).await, "writers");
    assert_eq!(folder.read("f").as_deref(), Some("old"));
    assert_eq!(folder.put("f", "new", Fields::Nothing).await, "replaced");
    drop(writer);
    assert_eq!(folder.read("f").as_deref(), Some("new"));
}

#[tokio::test]
async fn increments_of_many_writers_add_up() {
    const WRITERS: usize = 6;
    const INCREMENTS: usize = 10;
    let folder = Arc::new(Folder::new());
    folder.write("f", "0");
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let folder = Arc::clone(&folder);
        writers.push(tokio::spawn(async move {
            let mut done = 0;
            while done < INCREMENTS {
                let seen = folder.read("f").unwrap();
                let next = (seen.parse::<usize>().unwrap() + 1).to_string();
                let if_match = list(&tag_of(seen.as_bytes()));
                let upload = folder.receive("f", next.as_bytes()).await;
                let outcome =
                    folder.writer.put(upload, Preconditions { if_match, ..Preconditions::default() }).await;
                match told(&outcome) {
                    "replaced" => done += 1,
                    "If-Match" | "writers" => {}
                    other => panic!("{other}"),
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(folder.read("f"), Some((WRITERS * INCREMENTS).to_string()));
    assert_eq!(folder.names(), ["f"]);
}

#[tokio::test]
async fn of_many_who_create_a_file_one_does() {
    let folder = Arc::new(Folder::new());
    let mut writers = Vec::new();
    for number in 0..12 {
        let folder = Arc::clone(&folder);
        writers.push(tokio::spawn(async move {
            let body = format!("{number}");
            (folder.put("one/two/f", &body, Fields::NoneMatchAny).await, body)
        }));
    }
    let mut created = Vec::new();
    for writer in writers {
        match writer.await.unwrap() {
            ("created", body) => created.push(body),
            (told, _) => assert_eq!(told, "If-None-Match"),
        }
    }
    assert_eq!(created.len(), 1);
    assert_eq!(folder.read("one/two/f"), created.pop());
}

/// Commits that wait for the lock of a folder leave turns to other clients.
#[tokio::test]
async fn a_client_whose_commits_wait_does_not_keep_others_from_theirs() {
    let folder = Arc::new(Folder::new());
    fs::create_dir(folder.path("busy")).unwrap();
    let place = folder.place("busy/f");
    let lock = folder.writer.store.root().lock(&place).unwrap();
    let from = |last: u8| Client::Address(Some(Network::of([192, 0, 2, last].into())));
    let upload = |client, name: &str| {
        Upload::begin(&folder.writer, client, &resource(name), Some(0), ExpectedDigests::default()).unwrap()
    };
    let waiting: Vec<_> = (0..COMMITS + 8)
        .map(|number| {
            let upload = upload(from(1), &format!("busy/{number}"));
            let writer = Arc::clone(&folder.writer);
            tokio::spawn(async move { told(&writer.put(upload, Preconditions::default()).await) })
        })
        .collect();
    while folder.writer.commits.free() > COMMITS - COMMITS / 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let other = folder.writer.put(upload(from(2), "f"), Preconditions::default()).await;
    assert_eq!(told(&other), "created");
    let deleted = folder.writer.delete(&from(3), resource("f"), Preconditions::default()).await;
    assert_eq!(told(&deleted), "deleted");
    assert!(waiting.iter().all(|put| !put.is_finished()), "they have waited for the others");
    assert_eq!(folder.writer.commits.free(), COMMITS - COMMITS / 4);
    drop(lock);
    for put in waiting {
        assert_eq!(put.await.unwrap(), "created");
    }
    assert_eq!(folder.writer.commits.free(), COMMITS);
}

/// A client that goes away makes no room for another one's commit while its own is still at work.
#[tokio::test]
async fn a_commit_that_nobody_waits_for_keeps_its_turn_until_it_is_done() {
    let folder = Arc::new(Folder::new());
    let other = Root::open(folder.folder.path(), SymlinkPolicy::Within).unwrap();
    let place = other.place(&resource("f"), Parents::Existing).unwrap();
    let lock = other.lock(&place).unwrap();
    let upload = folder.receive("f", b"new").await;
    let put = tokio::spawn({
        let writer = Arc::clone(&folder.writer);
        async move { writer.put(upload, Preconditions::default()).await }
    });
    let turns = || folder.writer.commits.free();
    while turns() == COMMITS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    put.abort();
    assert!(put.await.is_err());
    assert_eq!(turns(), COMMITS - 1);
    drop(lock);
    while turns() < COMMITS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(folder.read("f").as_deref(), Some("new"));
}

#[tokio::test]
async fn a_displaced_version_stays_under_its_lease_for_a_moment() {
    let folder = Folder::new();
    folder.write("f", "old");
    let old = folder.place("f").open().unwrap().expect("a file");
    assert_eq!(folder.put("f", "new", Fields::Match("old")).await, "replaced");
    // By its descriptor, as a program that has found it by its name a moment ago.
    let late = format!("/proc/self/fd/{}", old.as_fd().as_raw_fd());
    // Not in a thread of the runtime: who takes a lease gets the signal of its end, which would disturb the writer.
    std::thread::spawn(move || fs::write(late, "too late")).join().unwrap().unwrap();
    let copies = || folder.writer.store.root().conflict_copies();
    while copies() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let names = folder.names();
    assert_eq!((names.len(), names[0].as_str()), (2, "f"));
    assert_eq!(folder.read("f").as_deref(), Some("new"));
    assert_eq!(folder.read(&names[1]).as_deref(), Some("too late"));
}
