//! What there is room for.

use super::*;

#[test]
fn connections_leave_files_for_other_things_and_workers_for_connections() {
    for (files, wanted, connections) in [
        (127, 10, None),
        (128, 10, Some(10)),
        (128, 100, Some(32)),
        (128, usize::MAX, Some(24)),
        (300, 250, Some(86)),
        (1024, 448, Some(448)),
        (1024, 2000, Some(448)),
        (1024, usize::MAX, Some(358)),
        (usize::MAX, usize::MAX, Some(20_000)),
        (usize::MAX, 50_000, Some(50_000)),
        (1 << 20, 1, Some(1)),
    ] {
        let room = Capacity::within(files, wanted);
        assert_eq!(room.map(|room| room.connections), connections, "{wanted} of {files}");
        if let Some(Capacity { workers, connections, more_files }) = room {
            assert!(more_files + 2 * connections < files, "{wanted} of {files}");
            assert!(workers >= 1 && workers <= connections && workers <= files / FILES_A_WORKER);
        }
    }
}
