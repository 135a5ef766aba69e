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
        let mut stream = Http2Stream::new(server, std::future::pending(), || IDLE_LIMIT);
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
            (Http2Stream::new(server, tokio::time::sleep(second), || IDLE_LIMIT), Instant::now());
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(began.elapsed().as_secs(), (second + DRAIN_LIMIT).as_secs());
    });
}
