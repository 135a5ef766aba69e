//! What `docs/dependencies.md` says of the direct dependencies: each of them, with its features, and no other.
//! The figures there, of releases and of what is pulled in, are those of a day and are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

/// The sections of the page, and the kind that cargo's metadata gives to what stands there.
const SECTIONS: [(&str, Option<&str>); 2] = [("What is linked", None), ("What tests need", Some("dev"))];

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The direct dependencies of a kind and their features, as cargo reads the manifest: in a published package it is
/// written in another way than in the repository.
fn wanted(kind: Option<&str>) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(repository().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let dependencies = metadata["packages"][0]["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|dependency| dependency["kind"].as_str() == kind)
        .map(|dependency| {
            let named = dependency["features"].as_array().unwrap().iter();
            let mut features: BTreeSet<String> =
                named.map(|feature| feature.as_str().unwrap().to_owned()).collect();
            if dependency["uses_default_features"] == true {
                features.insert("default".to_owned());
            }
            (dependency["name"].as_str().unwrap().to_owned(), features)
        })
        .collect()
}

/// The rows of the table in a section, and the names with which a note begins there.
fn told(page: &str, title: &str) -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let section = page.split("\n## ").find(|section| section.starts_with(title)).expect(title);
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let features = cells.last().unwrap().split(", ").filter(|feature| *feature != "none");
        (cells[0].trim_matches('`').to_owned(), features.map(str::to_owned).collect())
    });
    let notes = section.lines().filter_map(|line| line.strip_prefix("- `")?.split('`').next());
    (rows.collect(), notes.map(str::to_owned).collect())
}

#[test]
fn the_page_names_every_direct_dependency_and_no_other() {
    let page = std::fs::read_to_string(repository().join("docs/dependencies.md")).unwrap();
    for (title, kind) in SECTIONS {
        let wanted = wanted(kind);
        let (rows, notes) = told(&page, title);
        assert!(wanted.len() > 5, "{wanted:?}");
        assert_eq!(rows, wanted, "left: the table in \"{title}\", right: Cargo.toml");
        let names: BTreeSet<String> = wanted.into_keys().collect();
        assert_eq!(notes, names, "left: the notes in \"{title}\", right: Cargo.toml");
    }
}
