//! What there is room for.

use super::*;

#[test]
fn connections_leave_files_for_other_things_and_workers_for_connections() {
    for (files, wanted, connections) in [
        (63, 10, None),
        (64, 10, Some(10)),
        (64, 100, Some(32)),
        (300, 250, Some(172)),
        (1024, 896, Some(896)),
        (1024, 2000, Some(896)),
        (usize::MAX, 20_000, Some(20_000)),
        (1 << 20, 1, Some(1)),
    ] {
        let room = Room::within(files, wanted);
        assert_eq!(room.map(|room| room.connections), connections, "{wanted} of {files}");
        if let Some(Room { workers, connections, more_files }) = room {
            assert!(more_files == 0 || more_files + 2 * connections <= files, "{wanted} of {files}");
            assert!(workers >= 1 && workers <= connections && workers <= files / FILES_A_WORKER);
        }
    }
}
