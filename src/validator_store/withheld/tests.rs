//! What may be told, and when.

use super::*;
use crate::resource_path::Dotfiles;
use crate::root::Timestamp;

fn stamp(inode: u64) -> Stamp {
    let never = Timestamp { seconds: 0, nanoseconds: 0 };
    Stamp { mount: 1, device: 1, inode, size: 0, modified: never, changed: never }
}

fn path() -> ResourcePath<'static> {
    ResourcePath::ROOT.child("file", Dotfiles::Hidden).expect("a name")
}

#[test]
fn a_version_is_told_of_once_it_is_confirmed() {
    let withheld = Withheld::default();
    let mark = withheld.mark();
    let withholding = withheld.withhold(&path(), &stamp(7));
    assert!(!withheld.may_tell("link", &stamp(7), mark));
    assert!(withheld.may_tell("other", &stamp(8), mark), "another file");
    assert!(!withheld.may_tell("file", &stamp(8), mark), "what others have put there");
    withholding.confirm();
    assert!(withheld.may_tell("link", &stamp(7), mark));
}

#[test]
fn nothing_that_was_read_before_a_version_was_taken_back_is_told() {
    let withheld = Withheld::default();
    let mark = withheld.mark();
    drop(withheld.withhold(&path(), &stamp(7)));
    assert!(!withheld.may_tell("link", &stamp(7), mark), "it may have been read while it was there");
    assert!(
        withheld.may_tell("link", &stamp(7), withheld.mark()),
        "what is read from now on is another file"
    );
}

#[tokio::test]
async fn who_waits_for_the_decision_is_woken() {
    let withheld = Withheld::default();
    let withholding = withheld.withhold(&path(), &stamp(7));
    let (stamp, decision) = (stamp(7), async {
        tokio::task::yield_now().await;
        withholding.confirm();
    });
    tokio::join!(withheld.until_decided("file", &stamp), decision);
}
