//! **As a library:** an actix-web application serves a folder with one line,
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let public = ifmatch::open("public")?;
//! let app = move || actix_web::App::new().service(ifmatch::service("/assets", &public));
//! actix_web::HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! and [`FolderOptions`] says how. [`embed`] tells what an application gets, what it does not, and what its middleware must leave alone.
//! What stands at the root of this crate is what versions are about (semantic versioning). The modules but [`embed`] are public for the
//! program, its tests and whoever reads the map below; any release may change them.
//!
#![doc = include_str!("ARCHITECTURE.md")]

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "ifmatch runs on Linux 5.10 or later, on x86_64 and aarch64: it rests on openat2 and file leases"
);

pub mod access;
mod blocking;
pub mod cli;
pub mod config;
pub mod embed;
pub mod http;
pub mod resource_path;
pub mod root;
pub mod semantics;
pub mod server;
mod sync;
pub mod validator_store;
pub mod words;
pub mod write;

pub use embed::{Folder, FolderError, FolderOptions, open, service};
pub use http::MountedSite;
pub use root::{RootError, SymlinkPolicy};
pub use write::Durability;
