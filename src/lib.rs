#![doc = include_str!("ARCHITECTURE.md")]

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "ifmatch runs on Linux 5.10 or later, on x86_64 and aarch64: it rests on openat2 and file leases"
);

pub mod access;
pub mod cli;
pub mod config;
pub mod http;
pub mod resource_path;
pub mod root;
pub mod semantics;
pub mod server;
pub mod validator_store;
pub mod write;
