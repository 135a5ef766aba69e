//! The integration tests of `ifmatch`: the real program, on a port of its own choice, in a fresh folder, asked over
//! plain sockets. One file per feature. What a pure function decides is tested beside that function in `src/`.
//!
//! No test looks at a clock to decide, and none depends on another. A test that fails prints the command, the folder,
//! and what the server wrote.

// A test that cannot go on has nothing better to do than to panic where it stands.
#![allow(clippy::unwrap_used)]

mod accounts;
mod attacks;
mod bodies;
mod commands;
mod conditional;
mod config;
mod confinement;
mod dependencies;
mod documents;
mod embedding;
mod endings;
mod express;
mod freshness;
mod fuzz;
mod harness;
mod headers;
mod hidden_links;
mod http2;
mod index;
mod integrity;
mod interrupted;
mod large_files;
mod late_errors;
mod lifecycle;
mod limits;
mod listing;
mod locks;
mod media_types;
mod metrics;
mod mounts;
mod newcomers;
mod odd_filesystems;
mod origin_guard;
mod outside_changes;
mod privileges;
mod problems;
mod races;
mod ranges;
mod remounts;
mod replacing;
mod resolution;
mod room;
mod sandbox;
mod services;
mod startup;
mod stopping;
mod stress;
mod threads;
mod tidy;
mod tls;
mod unsettled;
mod upload_bodies;
mod upload_deaths;
mod upload_shares;
mod uploaded_pages;
mod uploads;
mod validators;
mod watcher;
mod write_conditions;
mod write_failures;
mod write_paths;
mod writes;
