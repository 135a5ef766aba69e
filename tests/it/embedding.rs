//! A folder in somebody else's application, under `actix_web::HttpServer`: at prefixes and in scopes, and behind the
//! middleware that applications have. Asked over sockets, as the program is.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, Next, NormalizePath, TrailingSlash, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, guard};
use ifmatch::{FolderError, FolderOptions, RootError};

use crate::harness::{Client, Folder, Request, Response, delete, get, head, put, request, tag_of, tree};

#[path = "../../examples/embed.rs"]
#[allow(unreachable_pub, dead_code)]
mod example;

/// A running application. It is stopped when the value is dropped.
struct Application {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    /// An application that puts a folder, opened with `options`, where `configure` says.
    fn of(
        folder: &Folder,
        options: FolderOptions,
        configure: impl Fn(&ifmatch::Folder, &mut ServiceConfig) + Clone + Send + 'static,
    ) -> Application {
        let root = folder.root();
        Application::start(move |listener| {
            let opened = options.open(root).unwrap();
            let app = move || {
                let (opened, configure) = (opened.clone(), configure.clone());
                App::new().configure(move |config| configure(&opened, config))
            };
            HttpServer::new(app).workers(2).disable_signals().listen(listener).unwrap().run()
        })
    }

    /// A folder at this prefix, and nothing else.
    fn at(prefix: &'static str, folder: &Folder, options: FolderOptions) -> Application {
        Application::of(folder, options, move |folder, config| {
            config.service(ifmatch::service(prefix, folder));
        })
    }

    fn start(make: impl FnOnce(TcpListener) -> Server + Send + 'static) -> Application {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, handle) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = make(listener);
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let handle = handle.recv().expect("the application did not start");
        Application { address, handle, thread: Some(thread) }
    }

    #[track_caller]
    fn ask(&self, request: &Request) -> Response {
        let mut client = Client::connect(self.address);
        let response = client.ask(&request.clone().field("Connection", "close"));
        assert!(client.read_to_end().is_empty(), "something after the answer\n{response}");
        response
    }

    #[track_caller]
    fn get(&self, target: &str) -> Response {
        self.ask(&get(target))
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.handle.stop(false));
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the application panicked");
    }
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("file.txt", "bytes");
    folder.write("a b/c+d.txt", "more");
    folder
}

fn uploads() -> FolderOptions {
    FolderOptions::new().allow_uploads().allow_deletes()
}

#[test]
fn a_folder_is_where_the_application_puts_it_however_that_is_written() {
    // The prefix, and the place in a URL.
    for (prefix, place) in [
        ("/assets", "/assets"),
        ("assets", "/assets"),
        ("/assets/", "/assets"),
        ("/assets", "/%61ssets"),
        ("", ""),
        ("/", ""),
        ("/a/b", "/a/b"),
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/été", "/%C3%A9t%C3%A9"),
        ("/%C3%A9t%C3%A9", "/%c3%a9t%c3%a9"),
        ("/100%25", "/100%25"),
        ("/c++", "/c++"),
        ("/{tenant}/files", "/one%2Ftwo/files"),
        ("/{tenant}/files", "/%FF%FE/files"),
    ] {
        println!("{prefix:?} at {place:?}");
        let folder = folder();
        let application = Application::at(prefix, &folder, uploads());
        application.get(&format!("{place}/file.txt")).expect_file(b"bytes");
        application.get(&format!("{place}/a%20b/c+d.txt?query")).expect_file(b"more");
        application.get(&format!("{place}/a%20b/c%2Bd.txt")).expect_file(b"more");
        application.get(&format!("{place}//file.txt")).expect_file(b"bytes");
        application.get(&format!("{place}/nothing")).expect(404);
        application.get(&format!("{place}/a%20b%2Fc+d.txt")).expect(400);
        application.get(&format!("{place}/..%2ffile.txt")).expect(400);
        let moved = application.get(&format!("{place}/a%20b?query=1")).expect(301);
        assert_eq!(moved.field("Location"), Some("a%20b/?query=1"), "{moved}");
        application.get(&format!("{place}/a%20b/../file.txt")).expect_file(b"bytes");
        application.get(&format!("{place}/./x/%2e%2E/file.txt")).expect_file(b"bytes");
        // Above the place of the folder is nothing, whatever the application has there.
        application.get(&format!("{place}/..")).expect(400);
        application.get(&format!("{place}/../file.txt")).expect(400);
        application.get(&format!("{place}/a%20b/../../file.txt")).expect(400);
        application.ask(&put(format!("{place}/../new/one.txt"), "new")).expect(400);
        let listing = application.get(&format!("{place}/")).expect(200);
        assert!(listing.text().contains("href=\"./a%20b/\""), "{listing}");
        let inner = application.get(&format!("{place}/a%20b/")).expect(200);
        assert!(inner.text().contains("href=\"../\""), "{inner}");
        let created = application.ask(&put(format!("{place}/new/./x/../one.txt"), "new")).expect(201);
        assert_eq!(created.field("Location"), Some("one.txt"), "{created}");
        assert_eq!(std::fs::read(folder.path("new/one.txt")).unwrap(), b"new");
        if !place.is_empty() {
            let moved = application.get(&format!("{place}?query")).expect(301);
            assert_eq!(moved.leads_to(place), format!("{place}/?query"), "{moved}");
            application.ask(&put(place, "new")).expect(409);
            application.ask(&request("OPTIONS", place)).expect(204);
            application.get("/file.txt").expect(404);
            application.get(&format!("{place}x/file.txt")).expect(404);
        }
    }
}

#[test]
fn a_folder_can_be_in_scopes_and_answer_what_nobody_else_does() {
    let folder = folder();
    let application = Application::of(&folder, uploads(), |folder, config| {
        let inner = web::scope("/b/{id}").service(ifmatch::service("/c", folder));
        let whole = web::scope("/whole").service(ifmatch::service("", folder));
        let guarded = web::scope("/guarded").guard(guard::Header("x-key", "1"));
        config.service(web::scope("/a").service(inner));
        config.service(whole);
        config.service(guarded.service(ifmatch::service("/", folder)));
        config.service(web::scope("/rest").default_service(ifmatch::service("", folder)));
        config.route("/own", web::get().to(async || HttpResponse::Accepted().body("own")));
        config.default_service(ifmatch::service("", folder));
    });
    for place in ["/a/b/7/c", "/whole", "/rest", ""] {
        application.get(&format!("{place}/file.txt")).expect_file(b"bytes");
        let moved = application.get(&format!("{place}/a%20b")).expect(301);
        assert_eq!(moved.field("Location"), Some("a%20b/"), "{moved}");
        let target = format!("{place}/new{}", place.len());
        let created = application.ask(&put(&target, "new")).expect(201);
        assert_eq!(created.leads_to(&target), target, "{created}");
    }
    assert_eq!(application.get("/own").text(), "own");
    application.get("/guarded/file.txt").expect(404);
    application.ask(&get("/guarded/file.txt").field("X-Key", "1")).expect_file(b"bytes");
}

#[test]
fn a_location_never_leads_to_another_server() {
    let folder = folder();
    let application = Application::of(&folder, uploads(), |folder, config| {
        config.service(web::scope("/{any:.*}/files").service(ifmatch::service("", folder)));
    });
    for target in [
        "//evil.example/files/a%20b",
        "/\\evil.example/files/a%20b",
        "///\\evil.example/files/a%20b",
        "/../files/a%20b",
    ] {
        let moved = application.get(target).expect(301);
        assert_eq!(moved.field("Location"), Some("a%20b/"), "{moved}");
    }
    // The place itself, whose last segment may be anything.
    let folder = Folder::new();
    folder.write("index.html", "index");
    let application = Application::of(&folder, uploads(), |folder, config| {
        config.service(web::scope("/{tenant}").service(ifmatch::service("", folder)));
    });
    for (target, location) in
        [("/tenant", "tenant/"), ("/http:x", "./http:x/"), ("/\\evil.example", "%5Cevil.example/")]
    {
        let moved = application.get(target).expect(301);
        assert_eq!(moved.field("Location"), Some(location), "{moved}");
    }
    for target in ["/..", "/.", "/%2e%2E"] {
        application.get(target).expect_file(b"index");
    }
}

#[test]
fn two_folders_in_one_application_stay_apart() {
    let (one, two) = (folder(), Folder::new());
    two.write("file.txt", "of two");
    let (root, other) = (one.root(), two.root());
    let application = Application::start(move |listener| {
        let (one, two) = (ifmatch::open(root).unwrap(), uploads().open(other).unwrap());
        let app = move || {
            App::new().service(ifmatch::service("/one", &one)).service(ifmatch::service("/two", &two))
        };
        HttpServer::new(app).workers(2).disable_signals().listen(listener).unwrap().run()
    });
    application.get("/one/file.txt").expect_file(b"bytes");
    application.get("/two/file.txt").expect_file(b"of two");
    application.ask(&put("/one/file.txt", "new")).expect_problem(405);
    let tag = tag_of(b"of two");
    application.ask(&put("/two/file.txt", "new").field("If-Match", &tag)).expect(204);
    application.ask(&put("/two/file.txt", "newer").field("If-Match", &tag)).expect_problem(412);
    application.get("/one/file.txt").expect_file(b"bytes");
    application.get("/two/file.txt").expect_file(b"new");
    application.ask(&delete("/two/file.txt").field("If-Match", tag_of(b"new"))).expect(204);
    application.get("/two/file.txt").expect_problem(404);
}

#[test]
fn compression_by_the_application_never_changes_what_a_tag_stands_for() {
    let folder = folder();
    let (small, large) = ("text ".repeat(1000), "text ".repeat(1 << 20));
    folder.write("small.txt", &small);
    folder.write("large.txt", &large);
    folder.write("empty.txt", "");
    folder.write("404.html", "nothing ".repeat(100));
    let application = Application::of(&folder, uploads(), |folder, config| {
        let own = web::get().to(async || HttpResponse::Accepted().body("own ".repeat(1000)));
        let scope = web::scope("").wrap(Compress::default()).route("/own", own);
        config.service(scope.service(ifmatch::service("/files", folder)));
    });
    let coded = |request: Request| application.ask(&request.field("Accept-Encoding", "gzip, identity;q=0.5"));
    assert_eq!(coded(get("/own")).expect(202).field("Content-Encoding"), Some("gzip"));
    assert_eq!(coded(get("/files/missing")).expect(404).field("Content-Encoding"), Some("gzip"));
    for (name, bytes) in [("small.txt", &*small), ("large.txt", &large), ("empty.txt", "")] {
        let target = format!("/files/{name}");
        let tag = tag_of(bytes.as_bytes());
        let settled = get(&target).field("If-None-Match", "\"no such tag\"");
        coded(settled).expect_file(bytes.as_bytes());
        let fields = coded(head(&target)).expect(200);
        assert_eq!(
            (fields.tag(), fields.field("Content-Length")),
            (tag.clone(), Some(&*bytes.len().to_string()))
        );
        assert_ne!(fields.field("Content-Encoding"), Some("gzip"), "{fields}");
        coded(get(&target).field("If-None-Match", &tag)).expect(304);
        if !bytes.is_empty() {
            let part = coded(get(&target).field("Range", "bytes=5-9").field("If-Range", &tag)).expect(206);
            assert_eq!((part.body.as_slice(), part.tag()), (&b"text "[..], tag.clone()), "{part}");
        }
        let wanted =
            put(&target, "x").field("If-Match", "\"other\"").field("Prefer", "return=representation");
        let failed = coded(wanted).expect(412);
        assert!(failed.tag() == tag && failed.body == bytes.as_bytes(), "{failed}");
    }
    let listing = coded(get("/files/")).expect(200);
    assert_eq!(listing.tag(), tag_of(&listing.body), "{listing}");
    // Who does not ask for codings is told of none.
    assert_eq!(
        application.get("/files/small.txt").expect_file(small.as_bytes()).field("Content-Encoding"),
        None
    );
}

#[test]
fn middleware_of_the_application_comes_before_the_folder() {
    async fn only_with_a_key(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
        match request.headers().contains_key("x-key") {
            true => next.call(request).await,
            false => Err(actix_web::error::ErrorForbidden("no key")),
        }
    }
    let folder = folder();
    let application = Application::of(&folder, uploads(), |folder, config| {
        let scope = web::scope("/files").wrap(from_fn(only_with_a_key));
        let scope = scope.wrap(NormalizePath::new(TrailingSlash::MergeOnly));
        config.service(scope.service(ifmatch::service("", folder)));
    });
    let before = tree(&folder.root());
    for refused in [get("/files/file.txt"), put("/files/file.txt", "new"), delete("/files/file.txt")] {
        let response = application.ask(&refused).expect(403);
        assert!(response.field("ETag").is_none() && response.text() == "no key", "{response}");
    }
    assert_eq!(tree(&folder.root()), before);
    let with_key = |request: Request| application.ask(&request.field("X-Key", "1"));
    with_key(get("/files/file.txt")).expect_file(b"bytes");
    with_key(get("/files//a%20b///c+d.txt")).expect_file(b"more");
    with_key(get("/files/a%20b/")).expect(200);
    let moved = with_key(get("/files//a%20b")).expect(301);
    assert_eq!(moved.field("Location"), Some("a%20b/"), "{moved}");
    with_key(put("/files/file.txt", "new")).expect(204);
}

#[test]
fn of_writers_that_name_the_same_version_one_wins_on_all_workers() {
    let folder = folder();
    let application = Application::at("/files", &folder, uploads());
    let mut tag = tag_of(b"bytes");
    for round in 0..10 {
        let race = |writer: usize| {
            let (body, tag) = (format!("{round} by {writer}"), tag.clone());
            let application = &application;
            move || application.ask(&put("/files/file.txt", body).field("If-Match", tag)).status
        };
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..6).map(|writer| scope.spawn(race(writer))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [204, 412].contains(status)), "{statuses:?}");
        tag = tag_of(&std::fs::read(folder.path("file.txt")).unwrap());
    }
}

#[test]
fn an_upload_that_waits_for_100_continue_is_sent_and_judged() {
    let folder = folder();
    let application = Application::at("/files", &folder, uploads());
    for (tag, status) in [("\"other\"".to_owned(), 412), (tag_of(b"bytes"), 204)] {
        let request = put("/files/file.txt", "new").field("If-Match", tag).field("Expect", "100-continue");
        let mut client = Client::connect(application.address);
        client.send(request.clone().only_head().bytes());
        assert_eq!(client.next_head(&request).unwrap().status, 100);
        client.send("new");
        client.read(&request).expect(status);
    }
    application.get("/files/file.txt").expect_file(b"new");
}

#[test]
fn health_and_metrics_are_there_only_if_the_application_wants_them() {
    let folder = folder();
    for (options, status) in [(FolderOptions::new(), 404), (FolderOptions::new().with_health(), 200)] {
        let application = Application::at("/files", &folder, options);
        application.get("/files/__ifmatch__/health").expect(status);
        application.get("/files/__ifmatch__/metrics").expect(status);
        application.get("/files/__ifmatch__/other").expect(404);
        application.get("/__ifmatch__/health").expect(404);
    }
}

#[test]
fn options_do_what_their_names_say() {
    let folder = folder();
    folder.write(".hidden", "hidden");
    folder.write("start.html", "start");
    let page = get("/files/place").field("Accept", "text/html");
    let plain = Application::at("/files", &folder, FolderOptions::new());
    plain.get("/files/.hidden").expect(404);
    plain.ask(&page).expect(404);
    plain.ask(&put("/files/new", "new")).expect_problem(405);
    assert_eq!(plain.get("/files/file.txt").field("Cache-Control"), Some("no-cache"));
    let unlisted = Application::at("/files", &folder, FolderOptions::new().without_listing());
    unlisted.get("/files/a%20b/").expect(404);
    let all = FolderOptions::new()
        .cache_control("public, max-age=60")
        .index_file("start.html")
        .hidden()
        .single_page()
        .blake3()
        .without_watcher()
        .create_only()
        .max_upload_size(4)
        .max_uploads(2);
    let all = Application::at("/files", &folder, all);
    assert_eq!(all.get("/files/.hidden").expect(200).field("Cache-Control"), Some("public, max-age=60"));
    assert_eq!(all.get("/files/").expect(200).text(), "start");
    assert_eq!(all.ask(&page).expect(200).text(), "start");
    assert_eq!(all.get("/files/file.txt").tag().len(), 45, "the tag of blake3");
    all.ask(&put("/files/file.txt", "new")).expect_problem(409);
    all.ask(&put("/files/new", "four")).expect(201);
    all.ask(&put("/files/newer", "fives")).expect_problem(413);
    all.ask(&delete("/files/new")).expect_problem(405);
    let here =
        Application::at("/files", &folder, uploads().allow_host("app.example").require_preconditions());
    here.ask(&put("/files/file.txt", "new")).expect_problem(428);
    here.ask(&put("/files/1", "new").host("app.example")).expect(201);
    here.ask(&put("/files/2", "new").host("other.example")).expect_problem(403);
    here.ask(&get("/files/1").host("other.example")).expect_problem(403);
    here.ask(&get("/files/1").host("app.example:80")).expect_file(b"new");
    here.ask(&put("/files/3", "new").field("Sec-Fetch-Site", "cross-site")).expect_problem(403);
}

#[test]
fn what_cannot_be_opened_is_said_in_a_sentence() {
    let folder = folder();
    let error = ifmatch::open(folder.root()).unwrap_err();
    assert!(matches!(error, FolderError::NoRuntime), "{error}");
    let open = |options: FolderOptions, path: &str| {
        let opened = actix_web::rt::System::new().block_on(async { options.open(folder.path(path)) });
        opened.map(|_| ()).unwrap_err()
    };
    let missing = open(FolderOptions::new(), "missing");
    assert!(matches!(missing, FolderError::Root(RootError::Missing(_))), "{missing}");
    assert!(missing.to_string().contains("there is no folder"), "{missing}");
    for (options, part) in [
        (FolderOptions::new().cache_control("a\nb"), "Cache-Control"),
        (FolderOptions::new().cache_control(""), "Cache-Control"),
        (FolderOptions::new().index_file("a/b"), "index file"),
    ] {
        let error = open(options, "").to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_example_is_an_application_that_works() {
    let (public, notes) = (folder(), Folder::new());
    let roots = [public.root(), notes.root()].map(|root| root.to_str().unwrap().to_owned());
    let application = Application::start(move |listener| {
        let (public, notes) = example::open(&roots[0], &roots[1]).unwrap();
        example::run(listener, public, notes, "secret".to_owned()).unwrap()
    });
    assert!(application.get("/").expect(200).text().contains("/notes/"));
    let file = application.get("/assets/file.txt").expect_file(b"bytes");
    assert_eq!(file.field("Cache-Control"), Some("public, max-age=60"));
    let note = put("/notes/todo.txt", "one").field("If-None-Match", "*");
    application.ask(&note).expect(401);
    application.ask(&get("/notes/todo.txt")).expect(401);
    let known = |request: &Request| application.ask(&request.clone().field("Authorization", "Bearer secret"));
    known(&note).expect(201);
    known(&note).expect_problem(412);
    known(&put("/notes/todo.txt", "two")).expect_problem(428);
    known(&put("/notes/todo.txt", "two").field("If-Match", tag_of(b"one"))).expect(204);
    known(&get("/notes/todo.txt").field("Accept-Encoding", "gzip")).expect_file(b"two");
    application.ask(&put("/assets/file.txt", "new")).expect_problem(405);
}

#[test]
fn an_uploaded_page_runs_only_if_the_application_trusts_uploads() {
    for (options, sandbox) in [(uploads(), Some("sandbox")), (uploads().trust_uploads(), None)] {
        let folder = folder();
        let application = Application::at("/notes", &folder, options);
        application.ask(&put("/notes/page.html", "<script>alert(1)</script>")).expect(201);
        let response = application.get("/notes/page.html").expect(200);
        assert_eq!(response.field("Content-Security-Policy"), sandbox, "{response}");
        assert_eq!(response.field("Content-Disposition").is_some(), sandbox.is_some(), "{response}");
    }
    let folder = folder();
    folder.write("page.html", "read only");
    let response = Application::at("/", &folder, FolderOptions::new()).get("/page.html").expect(200);
    assert_eq!(response.field("Content-Security-Policy"), None, "{response}");
}

#[test]
fn a_file_that_is_stored_encoded_keeps_its_coding_behind_compress() {
    let folder = folder();
    folder.write("logo.svgz", b"\x1f\x8b\x08 and so on");
    let application = Application::start({
        let root = folder.root().to_owned();
        move |listener| {
            let opened = ifmatch::open(root).unwrap();
            let app = move || App::new().wrap(Compress::default()).service(ifmatch::service("", &opened));
            HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run()
        }
    });
    for (target, coding) in [("/logo.svgz", "gzip"), ("/file.txt", "identity")] {
        let response = application.ask(&get(target).field("Accept-Encoding", "gzip, br")).expect(200);
        assert_eq!(response.lines("Content-Encoding"), [coding], "{response}");
        assert_eq!(response.body, std::fs::read(folder.path(&target[1..])).unwrap(), "{response}");
    }
}
