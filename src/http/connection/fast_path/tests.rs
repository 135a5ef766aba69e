//! What is answered at once, and what is left to the long way. That both answer alike is tested on the wire.

use super::*;
use crate::http::connection::response::INLINE;
use crate::http::tests::site;
use crate::validator_store::Patience;

/// A site that knows `file.txt` (5 bytes), `sub/index.html` and `large` (more than is sent in one piece).
async fn express(folder: &std::path::Path) -> Express {
    std::fs::create_dir(folder.join("sub")).unwrap();
    std::fs::write(folder.join("file.txt"), "bytes").unwrap();
    std::fs::write(folder.join("sub/index.html"), "index").unwrap();
    std::fs::write(folder.join("large"), vec![b'x'; INLINE + 1]).unwrap();
    std::fs::write(folder.join("unknown"), "nobody asked yet").unwrap();
    let site = site(folder);
    for path in ["/file.txt", "/sub/index.html", "/large"] {
        let target = ResourcePath::parse(path, Dotfiles::Hidden).unwrap();
        site.store.current(&target.path, Patience::Full).await.ok().unwrap();
    }
    let crowd = Arc::clone(&site.crowd);
    Express::new(Arc::new(ArcSwap::from_pointee(site)), crowd, None)
}

fn status(answer: Option<Answer>) -> Option<String> {
    let answer = answer?;
    let (head, body) = answer.unwritten();
    let text = String::from_utf8([head, body].concat()).unwrap();
    Some(text.split(' ').nth(1).unwrap().to_owned())
}

fn answer(express: &Express, bytes: &[u8]) -> Option<Answer> {
    express.answer(bytes, &Turn::default())
}

#[actix_web::test]
async fn what_is_in_memory_is_answered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let express = express(folder.path()).await;
    let ask = |line: &str, fields: &str| {
        status(answer(&express, format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes()))
    };
    for (line, fields, expected) in [
        ("GET /file.txt", "", "200"),
        ("HEAD /file.txt", "", "200"),
        ("GET /file.txt?a=b&c", "Accept: */*\r\nConnection: Keep-Alive\r\n", "200"),
        ("GET /sub/", "", "200"),
        ("GET /large", "", "200"),
        ("GET /file.txt", "If-None-Match: *\r\n", "304"),
        ("GET /file.txt", "Range: bytes=1-2\r\n", "206"),
        ("GET /nothing", "", "404"),
    ] {
        assert_eq!(ask(line, fields).as_deref(), Some(expected), "{line} {fields}");
    }
    for (line, fields) in [
        ("GET /unknown", ""),
        ("GET /nothing", "Accept: text/html\r\n"),
        ("GET /nothing/", ""),
        ("GET /", ""),
        ("GET /sub", ""),
        ("GET /__ifmatch__/health", ""),
        ("PUT /file.txt", ""),
        ("OPTIONS *", ""),
        ("GET http://a/file.txt", ""),
        ("GET /file.txt#x", ""),
        ("GET /file%2etxt", ""),
        ("GET /file.txt", "Host: b\r\n"),
        ("GET /file.txt", "Connection: close\r\n"),
        ("GET /file.txt", "Content-Length: 0\r\n"),
        ("GET /file.txt", "Transfer-Encoding: chunked\r\n"),
        ("GET /file.txt", "Expect: 100-continue\r\n"),
        ("GET /file.txt", "Upgrade: h2c\r\n"),
        ("GET /file.txt", "Want-Repr-Digest: sha-256=1\r\n"),
        ("GET /file.txt", "If-Match: \"other\"\r\n"),
        ("GET /file.txt", "Range: bytes=9-\r\n"),
        ("GET /file.txt", "Range: bytes=0-0,2-2\r\n"),
        ("GET /file.txt", &"If-None-Match: \"a\"\r\n".repeat(MAX_CONDITIONS + 1)),
        ("GET /file.txt", &"X: y\r\n".repeat(MAX_FIELDS)),
        ("GET /file.txt", "broken\r\n"),
    ] {
        assert_eq!(ask(line, fields), None, "{line} {fields}");
    }
}

#[actix_web::test]
async fn only_one_whole_head_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let express = express(folder.path()).await;
    let request = b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(answer(&express, request).is_some());
    assert!(answer(&express, &[&request[..], request].concat()).is_none());
    for end in 0..request.len() {
        assert!(answer(&express, &request[..end]).is_none());
    }
    assert!(answer(&express, b"GET /file.txt HTTP/1.1\r\n\r\n").is_none());
    assert!(answer(&express, b"GET /file.txt HTTP/1.0\r\nHost: a\r\n\r\n").is_none());
}

#[actix_web::test]
async fn a_file_that_changed_or_went_is_not_answered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let express = express(folder.path()).await;
    let request = b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    std::fs::write(folder.path().join("file.txt"), "other").unwrap();
    assert!(answer(&express, request).is_none());
    std::fs::remove_file(folder.path().join("sub/index.html")).unwrap();
    assert!(answer(&express, b"GET /sub/ HTTP/1.1\r\nHost: a\r\n\r\n").is_none());
}

#[test]
fn an_answer_is_written_from_where_it_stopped() {
    let date = HeaderValue::from_static("now");
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for length in [0, 5, INLINE, INLINE + 1] {
        let mut answer = Answer::new(b"head\r\n", &date, Body::Bytes(vec![b'x'; length].into()));
        let expected = [&b"head\r\ndate: now\r\n\r\n"[..], &vec![b'x'; length]].concat();
        let mut seen = 0;
        while let std::task::Poll::Ready(Ok(true)) = answer.poll_more(&mut context) {
            let (head, body) = answer.unwritten();
            let left = [head, body].concat();
            assert_eq!(left, expected[seen..]);
            let step = left.len().min(7);
            seen += step;
            answer.advance(step);
        }
        assert_eq!(seen, expected.len());
    }
}
