//! Chromium, steered over WebDriver. `thirtyfour` knows the protocol; its default way of sending requests would bring TLS
//! and much else, so that a plain connection to chromedriver, which is on this machine, takes its place.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use rustix::process::{Pid, Signal, getuid, kill_process};
use thirtyfour::ChromiumLikeCapabilities;
use thirtyfour::prelude::{By, DesiredCapabilities, WebDriver, WebDriverError, WebDriverResult};
use thirtyfour::session::http::{Body, HttpClient};
use tokio::runtime::{Builder, Runtime};

use crate::harness::{Folder, eventually};
use crate::programs::{command, need};

/// A window of Chromium with a fresh profile. It is closed when the value is dropped.
pub(crate) struct Browser {
    runtime: Runtime,
    window: Option<WebDriver>,
    chromedriver: Child,
    profile: String,
}

impl Browser {
    /// Starts chromedriver, and Chromium through it, with a profile in this folder.
    #[track_caller]
    pub(crate) fn start(folder: &Folder) -> Browser {
        need("chromium", "chromium");
        need("chromedriver", "chromium-driver");
        let mut chromedriver = command(folder, "chromedriver");
        chromedriver.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut browser = Browser {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            window: None,
            chromedriver: chromedriver.spawn().unwrap(),
            profile: folder.outside("profile").to_str().unwrap().to_owned(),
        };
        let port = port_told_by(&mut browser.chromedriver);
        let mut capabilities = DesiredCapabilities::chrome();
        let profile = format!("--user-data-dir={}", browser.profile);
        let mut arguments =
            vec!["--headless=new", "--no-proxy-server", "--disable-dev-shm-usage", "--no-first-run"];
        arguments.extend(["--disable-gpu", "--disable-background-networking", &profile]);
        // The sandbox does not work for root, nor in most containers. The pages are our own.
        arguments.push("--no-sandbox");
        arguments.iter().for_each(|argument| capabilities.add_arg(argument).unwrap());
        capabilities.set_binary(&path_of("chromium")).unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let connected = async { WebDriver::builder(url, capabilities).client(Plain).connect().await };
        browser.window = Some(browser.runtime.block_on(connected).unwrap());
        browser
    }

    fn window(&self) -> &WebDriver {
        self.window.as_ref().expect("a window")
    }

    /// Goes to a page.
    #[track_caller]
    pub(crate) fn go_to(&self, url: &str) {
        self.runtime.block_on(self.window().goto(url)).unwrap();
    }

    /// Loads the page again, as its button does.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.runtime.block_on(self.window().refresh()).unwrap();
    }

    /// The text of the element with this id.
    #[track_caller]
    pub(crate) fn text(&self, id: &str) -> String {
        self.runtime.block_on(async { self.window().find(By::Id(id)).await?.text().await }).unwrap()
    }

    /// Waits until the text of the element with this id begins so, and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&self, id: &str, beginning: &str) -> String {
        let what = format!("{id} says {beginning:?}");
        eventually(&what, || Some(self.text(id)).filter(|text| text.starts_with(beginning)))
    }

    /// What stands in the field with this id.
    #[track_caller]
    pub(crate) fn value(&self, id: &str) -> String {
        self.runtime.block_on(async { self.window().find(By::Id(id)).await?.value().await }).unwrap().unwrap()
    }

    /// Types at the end of the field with this id.
    #[track_caller]
    pub(crate) fn type_into(&self, id: &str, text: &str) {
        self.runtime.block_on(async { self.window().find(By::Id(id)).await?.send_keys(text).await }).unwrap();
    }

    /// Presses the button with this id.
    #[track_caller]
    pub(crate) fn press(&self, id: &str) {
        self.runtime.block_on(async { self.window().find(By::Id(id)).await?.click().await }).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(window) = self.window.take() {
            let _ = self.runtime.block_on(window.quit());
        }
        // `timeout`, through which it was started, hands this on.
        let _ = kill_process(Pid::from_child(&self.chromedriver), Signal::TERM);
        let _ = self.chromedriver.wait();
        // Of a Chromium that was not told to end, or did not: all its processes name the profile, which is ours alone.
        for process in processes_naming(&self.profile) {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

/// Our processes whose arguments contain this.
fn processes_naming(text: &str) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ours = entries.filter(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let owned = rustix::fs::stat(entry.path()).is_ok_and(|stat| stat.st_uid == getuid().as_raw());
        owned && String::from_utf8_lossy(&arguments).contains(text)
    });
    let number = |entry: fs::DirEntry| str::from_utf8(entry.file_name().as_bytes()).ok()?.parse().ok();
    ours.filter_map(number).filter_map(Pid::from_raw).collect()
}

fn path_of(program: &str) -> String {
    let output = Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// chromedriver tells the port it has found in a line that ends with it and a full stop.
fn port_told_by(chromedriver: &mut Child) -> u16 {
    let mut lines = BufReader::new(chromedriver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().find_map(|line| {
        let line = line.ok()?;
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    // It goes on to write now and then.
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("chromedriver tells its port")
}

/// Sends each request on a connection of its own.
struct Plain;

#[async_trait]
impl HttpClient for Plain {
    async fn send(&self, request: Request<Body<'_>>) -> WebDriverResult<Response<Bytes>> {
        let failed = |error: std::io::Error| WebDriverError::RequestFailed(error.to_string());
        exchange(&request).map_err(failed)
    }

    async fn new(&self) -> Arc<dyn HttpClient> {
        Arc::new(Plain)
    }
}

/// One request and its answer, as far as chromedriver goes: JSON, with a Content-Length.
fn exchange(request: &Request<Body<'_>>) -> std::io::Result<Response<Bytes>> {
    let host = request.uri().authority().expect("a host").as_str();
    let body = match request.body() {
        Body::Empty => String::new(),
        Body::Json(json) => json.to_string(),
    };
    let mut connection = TcpStream::connect(host)?;
    write!(
        connection,
        "{} {} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        request.method(),
        request.uri().path(),
        body.len()
    )?;
    let mut reader = BufReader::new(connection);
    let (mut status, mut length, mut line) = (0, 0, String::new());
    while reader.read_line(&mut line)? > 0 && line != "\r\n" {
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest[..3].parse().expect("a status");
        } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer)?;
    Ok(Response::builder().status(status).body(answer.into()).expect("an answer"))
}
