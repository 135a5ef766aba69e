//! Who writes where.

use super::*;
use crate::resource_path::Dotfiles;
use crate::resource_path::pattern::PathPattern;

const HASH: &str = "$2y$04$AzUuCvSXDuQKgyjurPtmaeMErsblz6G1f7ANpuJJVVwDcVqa2lZ7C";

fn writers(lines: &[&str], rules: &[(&str, &str, Right)]) -> [Writers; 3] {
    let lines: Vec<String> = lines.iter().map(|line| line.replace("HASH", HASH)).collect();
    let mut access = Access::parse(lines.iter().map(String::as_str), Right::Read).unwrap();
    for (name, pattern, right) in rules {
        access.add_rule(name, [PathPattern::parse(pattern).unwrap()], *right).unwrap();
    }
    ["index.html", "inbox/a.html", "bob/a.html"]
        .map(|path| access.writers(&ResourcePath::from_names(path, Dotfiles::Hidden).unwrap()))
}

#[test]
fn an_editor_may_change_everything_and_all_others_are_others() {
    use Writers::{Editors, Nobody, Others};
    for (lines, rules, expected) in [
        (&[][..], &[][..], [Nobody; 3]),
        (&["alice:HASH"], &[], [Editors; 3]),
        (&["alice:HASH", "robot:HASH"], &[], [Editors; 3]),
        (&["alice:HASH", "bob:HASH@/bob:rw"], &[], [Editors, Editors, Others]),
        (&["bob:HASH@/bob:rw"], &[], [Nobody, Nobody, Others]),
        (&["alice:HASH", "@/inbox:rw"], &[], [Editors, Others, Editors]),
        (&["alice:HASH", "@/inbox:r"], &[], [Editors; 3]),
        // Something is kept from this account, for which a page of it could ask.
        (&["alice:HASH@/:rw", "alice:HASH@/secret:-"], &[], [Others; 3]),
        (&["alice:HASH"], &[("alice", "/bob/**", Right::Read)], [Others, Others, Nobody]),
        (&["alice:HASH"], &[("*", "/bob/**", Right::Write)], [Editors, Editors, Others]),
        (&["alice:HASH"], &[("alice", "/bob/**", Right::Write)], [Editors; 3]),
    ] {
        assert_eq!(writers(lines, rules), expected, "{lines:?} {rules:?}");
    }
}

#[test]
fn without_accounts_everybody_writes() {
    let path = ResourcePath::from_names("a.html", Dotfiles::Hidden).unwrap();
    assert_eq!(Access::open().writers(&path), Writers::Others);
}
