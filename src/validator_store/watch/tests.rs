//! The watcher after it lost events.

use std::time::Duration;

use notify::event::Flag;

use super::*;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Root, SymlinkPolicy};
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::index::IndexMode;
use crate::validator_store::{Patience, StoreOptions};

/// Handles events until one is about `name`.
fn hears_of(actor: &mut Actor<()>, name: &str) -> bool {
    while let Ok(event) = actor.events.recv_timeout(Duration::from_secs(5)) {
        let event = event.unwrap();
        actor.handle(&event);
        if event.paths.iter().any(|path| path.ends_with(name)) {
            return true;
        }
    }
    false
}

#[test]
fn after_lost_events_nothing_is_believed_and_every_folder_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "bytes").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
        let options =
            StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 1 << 20, index: IndexMode::Off };
        let store = ValidatorStore::new(root, options, Box::new(|_, _, _| ()));
        let status = Arc::new(WatchStatus::default());
        let mut actor = Actor::new(Arc::clone(&store), Arc::clone(&status)).unwrap();
        actor.watch_root();
        assert_eq!(status.state(), WatchState::Watching);

        let path = ResourcePath::ROOT.child("file", Dotfiles::Hidden).unwrap();
        assert!(store.current(&path, Patience::Full).await.is_ok() && store.hit("file").is_some());
        // A folder whose creation nobody heard of.
        std::fs::create_dir(folder.path().join("new")).unwrap();
        while actor.events.recv_timeout(Duration::from_millis(200)).is_ok() {}
        actor.handle(&Event::new(EventKind::Other).set_flag(Flag::Rescan));

        assert!(store.hit("file").is_none(), "a change of it may have been lost");
        assert_eq!((status.overflows(), status.state()), (1, WatchState::Watching));
        std::fs::write(folder.path().join("new/inner"), "bytes").unwrap();
        assert!(hears_of(&mut actor, "new/inner"));
    });
}
