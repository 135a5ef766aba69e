//! When a connection ends.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const IDLE_LIMIT: Duration = Duration::from_secs(75);

#[test]
fn it_ends_when_nothing_moves_and_soon_when_the_server_is_to_stop() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(100);
        let mut stream = Http2Stream::new(server, std::future::pending(), |_| IDLE_LIMIT, 100);
        let began = Instant::now();
        client.write_all(b"x").await.unwrap();
        let mut buffer = [0; 10];
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
        tokio::time::sleep(IDLE_LIMIT / 2).await;
        stream.write_all(b"y").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(began.elapsed().as_secs(), (IDLE_LIMIT * 3 / 2).as_secs());

        let (_client, server) = tokio::io::duplex(100);
        let second = Duration::from_secs(1);
        let (mut stream, began) =
            (Http2Stream::new(server, tokio::time::sleep(second), |_| IDLE_LIMIT, 100), Instant::now());
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(began.elapsed().as_secs(), (second + DRAIN_LIMIT).as_secs());
    });
}

/// Whether the frames, which follow the preface in pieces of `piece` bytes, have a head of more than 100 bytes.
fn is_too_large(frames: &[(u8, u8, usize)], piece: usize) -> bool {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for (kind, flags, length) in frames {
        let size = u32::try_from(*length).unwrap().to_be_bytes();
        bytes.extend([size[1], size[2], size[3], *kind, *flags, 0, 0, 0, 1]);
        bytes.extend(vec![1; *length]);
    }
    let mut heads = Heads::new(100);
    bytes.chunks(piece).any(|piece| heads.read(piece).is_break())
}

#[test]
fn a_head_is_measured_over_all_its_frames() {
    for (name, frames, wanted) in [
        ("none", &[][..], false),
        ("one that just fits", &[(1, 4, 100)], false),
        ("one that does not", &[(1, 4, 101)], true),
        ("in two frames", &[(1, 0, 60), (9, 4, 41)], true),
        ("in many that fit", &[(1, 0, 50), (9, 0, 25), (9, 4, 25)], false),
        ("many heads", &[(1, 4, 90), (1, 5, 90), (1, 4, 90)], false),
        ("trailers", &[(1, 4, 90), (0, 0, 5000), (1, 5, 90)], false),
        ("content is none", &[(0, 1, 16_384), (4, 0, 6), (0, 0, 16_384)], false),
        ("behind other frames", &[(4, 0, 6), (0, 0, 3), (1, 0, 0), (9, 0, 200)], true),
    ] {
        for piece in [1, 2, 9, 10, 50, 1_000_000] {
            assert_eq!(is_too_large(frames, piece), wanted, "{name}, in pieces of {piece}");
        }
    }
}
