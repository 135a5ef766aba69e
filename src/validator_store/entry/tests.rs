//! What an entry says of bytes that may be changing.

use super::*;
use crate::root::{Filesystem, ReadStyle, Stamping, Timestamp, Timestamps};
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::text::Text;

const FILESYSTEM: Filesystem = Filesystem {
    name: "test",
    timestamps: Timestamps::Multigrain,
    locality: Locality::Local,
    read_style: ReadStyle::InPlace,
    stamping: Stamping::Partial,
};

fn read(bytes: &'static str, modified: i64, changed: i64) -> Read {
    let time = |seconds| Timestamp { seconds, nanoseconds: 0 };
    let root = tempfile::tempdir().unwrap();
    let root = crate::root::Root::open(root.path(), crate::root::SymlinkPolicy::Within).unwrap();
    let stamp =
        Stamp { mount: 1, device: 1, inode: 1, size: 5, modified: time(modified), changed: time(changed) };
    Read {
        path: ResourcePath::ROOT,
        location: root.locate(&ResourcePath::ROOT).unwrap(),
        reading: Reading {
            stamp,
            digest: Digest::of(DigestAlgorithm::Xxh3, bytes.as_bytes()),
            body: None,
            text: Text::Plain,
            filesystem: FILESYSTEM,
            proof: Proof::Lease,
        },
        certainty: Certainty::Certain,
        began: Instant::now(),
        mounts: crate::root::MountMark::default(),
    }
}

#[test]
fn bytes_that_may_be_changing_have_a_tag_and_no_date() {
    let fleeting = Read { certainty: Certainty::Fleeting, ..read("a", 10, 10) };
    let entry: Entry<()> = Entry::new(fleeting, &Dates::default(), &|_, _, _| ());
    assert!(entry.validators().entity_tag.is_some() && entry.validators().last_modified.is_none());
}
