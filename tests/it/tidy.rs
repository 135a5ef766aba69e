//! The shape of the sources: who may name whom, what stands at the top of a file, how long things are, and that the
//! command line and its documentation tell the same. Each list of exceptions fails when one is no longer needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;

/// The layers, lowest first. A module may name modules of lower layers only; within a layer, nobody.
const LAYERS: [&[&str]; 10] = [
    &["semantics", "resource_path", "words", "sync", "blocking"],
    &["root", "access"],
    &["validator_store"],
    &["write"],
    &["http"],
    &["embed"],
    &["config"],
    &["cli", "server"],
    &["log_output"],
    &["main", "lib"],
];

/// A name that stands in the sources, and the only files or folders that may contain it.
struct Reserved {
    name: &'static str,
    only_in: &'static [&'static str],
}

const RESERVED: &[Reserved] = &[
    Reserved { name: "xxhash_rust", only_in: &["validator_store/digest.rs"] },
    Reserved { name: "blake3::", only_in: &["validator_store/digest.rs"] },
    Reserved { name: "sha2::", only_in: &["validator_store/digest.rs", "access/"] },
    Reserved { name: "md5::", only_in: &["validator_store/digest.rs"] },
    Reserved { name: "sfv::", only_in: &["semantics/integrity.rs"] },
    Reserved { name: "notify::", only_in: &["validator_store/watch.rs"] },
    Reserved { name: "ignore::", only_in: &["root/walk.rs"] },
    Reserved { name: "globset::", only_in: &["resource_path/pattern.rs"] },
    Reserved { name: "toml::", only_in: &["cli/file.rs", "cli/file/"] },
    Reserved { name: "strsim::", only_in: &["cli/file.rs"] },
    Reserved { name: "indicatif::", only_in: &["server/life/progress.rs"] },
    Reserved {
        name: "tokio_rustls::rustls",
        only_in: &["server/listen/tls.rs", "server/life/health_client.rs"],
    },
    Reserved { name: "h2::", only_in: &["server/http2/"] },
    Reserved { name: "http02::", only_in: &["server/http2/"] },
    Reserved { name: "x509_cert::", only_in: &["server/listen/tls.rs"] },
    // It panics where the machine has no thread left.
    Reserved { name: "spawn_blocking", only_in: &[] },
    Reserved { name: "unsafe", only_in: &["root/lease.rs"] },
    Reserved { name: "libc::", only_in: &["root/lease.rs"] },
    Reserved { name: "rustix::fs", only_in: &["root.rs", "root/"] },
    Reserved { name: "std::fs", only_in: &["root.rs", "root/"] },
    Reserved { name: "fs::", only_in: &["root.rs", "root/"] },
    Reserved { name: "File::", only_in: &["root.rs", "root/"] },
    Reserved { name: "OpenOptions", only_in: &["root.rs", "root/"] },
    Reserved { name: ".canonicalize(", only_in: &["root.rs", "root/"] },
    Reserved { name: ".read_dir(", only_in: &["root.rs", "root/"] },
    Reserved { name: ".symlink_metadata(", only_in: &["root.rs", "root/"] },
    Reserved { name: ".exists(", only_in: &["root.rs", "root/"] },
    Reserved { name: ".is_dir(", only_in: &["root.rs", "root/"] },
    Reserved { name: "landlock::", only_in: &["root/sandbox.rs"] },
    Reserved { name: "listenfd::", only_in: &["config/activation.rs"] },
    Reserved { name: "nix::", only_in: &["config/user.rs", "root/close.rs"] },
    Reserved { name: "clap::", only_in: &["cli.rs", "cli/", "main.rs"] },
    Reserved { name: "env_logger::", only_in: &["main.rs"] },
    // `actix_files` has the tested parser of request paths.
    Reserved {
        name: "actix",
        only_in: &["http.rs", "http/", "embed.rs", "server.rs", "server/", "config.rs", "resource_path.rs"],
    },
    Reserved { name: "StatusCode", only_in: &["http.rs", "http/"] },
];

/// What the pure layer must not name: it has no files, no clock, no network and no runtime.
const IMPURE: [&str; 9] = [
    "tokio",
    "actix",
    "std::fs",
    "std::net",
    "std::io",
    "std::thread",
    "SystemTime::now",
    "Instant",
    "std::env",
];

/// Files that may be longer than `LONGEST_FILE`, and why.
const LONG_FILES: [(&str, &str); 0] = [];

/// Functions that may be longer than `LONGEST_FUNCTION`, as "file: function", and why.
const LONG_FUNCTIONS: [(&str, &str); 0] = [];

/// One source file.
struct Source {
    /// Relative to `src`.
    name: String,
    text: String,
    /// The text with comments and literals blanked out, and without what is compiled for tests only.
    code: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.name.ends_with("/tests.rs") || self.name.contains("/tests/")
    }

    /// The module of the crate's first level that the file belongs to.
    fn module(&self) -> &str {
        self.name.split('/').next().unwrap().trim_end_matches(".rs")
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = repository().join("src");
    let mut found = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
                let code = without_tests(&blanked(&text));
                found.push(Source { name, text, code });
            }
        }
    }
    assert!(!found.is_empty());
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// The same lines, with everything in comments, strings and characters turned into spaces.
fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_or_comment(rest, code.chars().next_back());
        let taken = length.unwrap_or(first.len_utf8());
        for character in rest[..taken].chars() {
            let keep = length.is_none() || character == '\n';
            code.push(if keep { character } else { ' ' });
        }
        rest = &rest[taken..];
    }
    code
}

/// How many bytes of a comment or a literal stand at the beginning, if any.
fn literal_or_comment(text: &str, before: Option<char>) -> Option<usize> {
    let to = |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(to("*/", 2));
    }
    let in_a_word = before.is_some_and(|character| character.is_alphanumeric() || character == '_');
    let raw = text.trim_start_matches('b').strip_prefix('r').filter(|_| !in_a_word);
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') && text.len() - raw.len() <= 2 {
            let from = text.len() - raw.len() + hashes + 1;
            return Some(to(&format!("\"{}", "#".repeat(hashes)), from));
        }
    }
    if text.starts_with('"') {
        return Some(end_of_string(text));
    }
    character_literal(text)
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character literal, as opposed to a lifetime.
fn character_literal(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    if let Some(escape) = inner.strip_prefix('\\') {
        let skipped = escape.chars().next()?.len_utf8();
        return Some(2 + skipped + escape[skipped..].find('\'')? + 1);
    }
    let length = inner.chars().next()?.len_utf8();
    inner[length..].starts_with('\'').then_some(length + 2)
}

/// Without the items behind `#[cfg(test)]` (or a lookalike for tests only): the line breaks stay.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = end_of_item(item);
        kept.extend(item[..end].chars().filter(|character| *character == '\n'));
        rest = &item[end..];
    }
    kept + rest
}

/// Where an item ends: behind its first `;`, or behind the brace that closes its first `{`.
fn end_of_item(code: &str) -> usize {
    let mut depth = 0;
    for (at, character) in code.char_indices() {
        match character {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// The functions of a file: name and number of lines from `fn` to the closing brace.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let starts_a_word =
            !code[..at].ends_with(|character: char| character.is_alphanumeric() || character == '_');
        let item = &code[at..];
        let name: String = item[3..]
            .chars()
            .take_while(|character| character.is_alphanumeric() || *character == '_')
            .collect();
        if starts_a_word && !name.is_empty() {
            found.push((name, item[..end_of_item(item)].lines().count()));
        }
    }
    found
}

/// The modules of the crate that a piece of code names: `crate::http`, `crate::{http, root}`, `ifmatch::cli`.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for prefix in ["crate::", "ifmatch::"] {
        for (at, _) in code.match_indices(prefix) {
            if code[..at].ends_with(|character: char| {
                character.is_alphanumeric() || character == '_' || character == ':'
            }) {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            let group = rest
                .strip_prefix('{')
                .map_or(rest, |group| &group[..end_of_item(&format!("{{{group}")).saturating_sub(2)]);
            let parts: Vec<&str> = if rest.starts_with('{') { top_level_parts(group) } else { vec![rest] };
            for part in parts {
                let name: String = part
                    .trim()
                    .chars()
                    .take_while(|character| character.is_alphanumeric() || *character == '_')
                    .collect();
                named.insert(name);
            }
        }
    }
    named
}

/// Splits at the commas that are in no inner braces.
fn top_level_parts(group: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[from..]);
    parts
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn modules_depend_downwards_only() {
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module();
        let Some(own) = layer(module) else {
            faults.push(format!("{}: the module {module} has no place in the layers", source.name));
            continue;
        };
        for other in named_modules(&source.code).iter().filter(|other| *other != module) {
            match layer(other) {
                Some(layer) if layer < own => {}
                Some(_) => faults.push(format!("{}: {module} names {other}", source.name)),
                None => faults.push(format!("{}: {other} has no place in the layers", source.name)),
            }
        }
        // `super` out of a module of the first level is the crate by another name.
        let depth = source.name.matches('/').count();
        if source.code.contains(&"super::".repeat(depth + 1)) {
            faults.push(format!("{}: `super` reaches the root of the crate", source.name));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_semantics_know_no_files_no_clock_and_no_network() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.module() == "semantics" && !source.is_test()) {
        for name in IMPURE.iter().filter(|name| names(&source.code, name)) {
            faults.push(format!("{}: {name}", source.name));
        }
    }
    assert_none(&faults);
}

#[test]
fn a_dependency_is_named_where_it_belongs_and_nowhere_else() {
    let sources = sources();
    let mut faults = Vec::new();
    for reserved in RESERVED {
        let allowed = |source: &Source| {
            let inside = |place: &str| {
                source.name == place || (place.ends_with('/') && source.name.starts_with(place))
            };
            reserved.only_in.iter().any(|place| inside(place))
        };
        let named: Vec<&Source> =
            sources.iter().filter(|source| !source.is_test() && names(&source.code, reserved.name)).collect();
        faults.extend(
            named
                .iter()
                .filter(|source| !allowed(source))
                .map(|source| format!("{}: {}", source.name, reserved.name)),
        );
    }
    assert_none(&faults);
}

/// Does the code name this: as a whole word where it is one?
fn names(code: &str, name: &str) -> bool {
    let word = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back().filter(|_| name.starts_with(word));
        let after =
            code[at + name.len()..].chars().next().filter(|_| name.ends_with(word) && name != "actix");
        !before.is_some_and(word) && !after.is_some_and(word)
    }) || in_a_group(code, name)
}

/// `std::fs` may also be written `std::{fs, io}`.
fn in_a_group(code: &str, name: &str) -> bool {
    let Some((krate, item)) = name.split_once("::").filter(|(_, item)| !item.is_empty()) else {
        return false;
    };
    let opening = format!("{krate}::{{");
    code.match_indices(&opening).any(|(at, _)| {
        let group = &code[at + opening.len() - 1..];
        let group = &group[1..end_of_item(group).saturating_sub(1).max(1)];
        top_level_parts(group)
            .iter()
            .any(|part| part.trim() == item || part.trim().starts_with(&format!("{item}::")))
    })
}

#[test]
fn unsafe_stands_in_exactly_one_place() {
    let counts: BTreeMap<String, usize> = sources()
        .iter()
        .map(|source| {
            (
                source.name.clone(),
                source.code.matches("unsafe {").count() + source.code.matches("unsafe fn").count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(counts, BTreeMap::from([("root/lease.rs".to_owned(), 1)]));
}

#[test]
fn every_file_begins_with_what_it_is_about() {
    let documented = |text: &str| text.starts_with("//!") || text.starts_with("#![doc = include_str!(");
    let faults: Vec<String> =
        sources().into_iter().filter(|source| !documented(&source.text)).map(|source| source.name).collect();
    assert_none(&faults);
}

#[test]
fn no_file_is_too_long() {
    let mut excused: BTreeSet<&str> = LONG_FILES.iter().map(|(name, _)| *name).collect();
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE && !excused.remove(source.name.as_str()) {
            faults.push(format!("{}: {lines} lines", source.name));
        }
    }
    faults.extend(excused.iter().map(|name| format!("{name}: needs no exception any more")));
    assert_none(&faults);
}

#[test]
fn no_function_is_too_long() {
    let mut excused: BTreeSet<&str> = LONG_FUNCTIONS.iter().map(|(name, _)| *name).collect();
    let mut faults = Vec::new();
    // A table of cases may be as long as its rule has cases.
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (function, lines) in functions(&source.code) {
            if lines > LONGEST_FUNCTION && !excused.remove(format!("{}: {function}", source.name).as_str()) {
                faults.push(format!("{}: {function} has {lines} lines", source.name));
            }
        }
    }
    faults.extend(excused.iter().map(|name| format!("{name}: needs no exception any more")));
    assert_none(&faults);
}

/// The long options that a text names.
fn options_in(text: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        if text[..at].ends_with(|character: char| character.is_alphanumeric() || character == '-') {
            continue;
        }
        let name: String = text[at + 2..]
            .chars()
            .take_while(|character| character.is_ascii_lowercase() || *character == '-')
            .collect();
        if name.len() > 1 && !name.starts_with('-') && !name.ends_with('-') {
            options.insert(name);
        }
    }
    options
}

#[test]
fn the_page_of_options_and_the_help_tell_the_same() {
    let output = Command::new(crate::harness::server::PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let page = fs::read_to_string(repository().join("docs/options.md")).expect("docs/options.md");
    // In the help an option stands at the beginning of its line; on the page in a row of a table.
    let rows = |text: &str, begins: fn(&str) -> bool| {
        text.lines().filter(|line| begins(line.trim_start())).collect::<Vec<_>>().join("\n")
    };
    let of_help = options_in(&rows(&help, |line| line.starts_with('-')));
    let of_page = options_in(&rows(&page, |line| line.starts_with('|')));
    assert!(of_help.len() > 10, "{help}");
    let only =
        |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(
        (only(&of_help, &of_page), only(&of_page, &of_help)),
        (vec![], vec![]),
        "(only in the help, only in docs/options.md)"
    );
}

#[test]
fn every_test_file_begins_with_what_it_is_about() {
    fn visit(folder: &Path, faults: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, faults);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !fs::read_to_string(&path).unwrap().starts_with("//!")
            {
                faults.push(path.display().to_string());
            }
        }
    }
    let mut faults = Vec::new();
    visit(&repository().join("tests"), &mut faults);
    assert_none(&faults);
}

#[test]
fn the_reader_of_sources_can_read() {
    let text = "fn a() { \"}{\"; 'x'; '\\''; b'{'; r#\"}\"}\"#; /* { */ } // {\nfn b<'a>(x: &'a str) -> u8 {\n    1\n}\n\
                #[cfg(test)]\nmod tests {\n    fn c() {}\n}\nuse crate::{http::{a, b}, root, semantics::x};\nuse std::{fs, io};\n";
    let code = without_tests(&blanked(text));
    assert_eq!(text.lines().count(), code.lines().count());
    assert_eq!(functions(&code), [("a".to_owned(), 1), ("b".to_owned(), 3)]);
    assert_eq!(named_modules(&code).into_iter().collect::<Vec<_>>(), ["http", "root", "semantics"]);
    assert!(names(&code, "std::fs") && !names(&code, "std::net") && !names(&code, "tests"));
    assert!(names("use actix_web::App;", "actix") && !names("offs::x", "fs::") && names("a = fs::x", "fs::"));
    assert_eq!(
        options_in("-p, --port <PORT>  see --no-listing; ---x a--b").into_iter().collect::<Vec<_>>(),
        ["no-listing", "port"]
    );
}
