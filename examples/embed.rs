//! An application that serves two folders: one for everybody to read, and one in which those who know a password keep notes.
//!
//!     NOTES_TOKEN=secret cargo run --example embed -- public notes
//!
//!     curl http://127.0.0.1:8080/assets/
//!     curl -T todo.txt http://127.0.0.1:8080/notes/todo.txt -H 'Authorization: Bearer secret' -H 'If-None-Match: *'

use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::error::ErrorUnauthorized;
use actix_web::http::header::{AUTHORIZATION, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::{Compress, DefaultHeaders, Next, from_fn};
use actix_web::{App, HttpServer, web};
use ifmatch::Folder;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = std::env::args().skip(1);
    let (Some(public), Some(notes)) = (folders.next(), folders.next()) else {
        return Err("two folders, please: one to serve, and one for notes".into());
    };
    let token = std::env::var("NOTES_TOKEN").map_err(|_| "NOTES_TOKEN is not set")?;
    let (public, notes) = open(&public, &notes)?;
    run(TcpListener::bind("127.0.0.1:8080")?, public, notes, token)?.await?;
    Ok(())
}

/// Opens the folders, once: all workers share them.
pub fn open(public: &str, notes: &str) -> Result<(Folder, Folder), ifmatch::FolderError> {
    let public = ifmatch::FolderOptions::new().cache_control("public, max-age=60").open(public)?;
    let notes = ifmatch::FolderOptions::new()
        .allow_uploads()
        .allow_deletes()
        // Nobody overwrites what they have not seen.
        .require_preconditions()
        .max_upload_size(1 << 20)
        .open(notes)?;
    Ok((public, notes))
}

/// The application.
pub fn run(listener: TcpListener, public: Folder, notes: Folder, token: String) -> io::Result<Server> {
    let app = move || {
        let expected = format!("Bearer {token}");
        let log_in = from_fn(move |request, next| log_in(expected.clone(), request, next));
        App::new()
            // Compresses what the application itself answers. Files stay as they are: their tags are those of their bytes.
            .wrap(Compress::default())
            .wrap(DefaultHeaders::new().add((X_CONTENT_TYPE_OPTIONS, "nosniff")))
            .route("/", web::get().to(async || "What is there: /assets/ and /notes/\n"))
            .service(web::scope("/notes").wrap(log_in).service(ifmatch::service("", &notes)))
            .service(ifmatch::service("/assets", &public))
    };
    let server = HttpServer::new(app)
        // So that who is refused while still sending gets to know why.
        .client_disconnect_timeout(Duration::from_secs(30))
        .listen(listener)?;
    Ok(server.run())
}

/// Whoever has the token may go on. A real application compares in constant time, and with a hash.
async fn log_in(
    expected: String,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let given = request.headers().get(AUTHORIZATION);
    if given.is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
        return Err(ErrorUnauthorized("Send the token: \"Authorization: Bearer ...\".\n"));
    }
    next.call(request).await
}
