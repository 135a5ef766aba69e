//! Files that are held while they are read.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use super::super::tests::{path, with_store};
use super::*;
use crate::root::lease::LeasedFile;

const LARGE: usize = 3 << 20;

#[test]
fn a_large_file_is_not_read_to_its_end_while_somebody_waits_to_write() {
    with_store("file", &[0; LARGE], |store, file| async move {
        let name = path("file");
        let held = || Held::Leased(LeasedFile::take(store.root().open_file(&name).unwrap()).unwrap());
        let (calm, awaited) = (held(), held());
        assert!(store.examine(&name, &calm).is_ok());
        drop(calm);
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        File::options().write(true).custom_flags(flags).open(&file).expect_err("it is held");
        assert!(matches!(store.examine(&name, &awaited), Err(OpenError::Busy)));
    });
}
