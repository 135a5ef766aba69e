//! Who may do what, in words.

use super::*;
use crate::resource_path::pattern::PathPattern;

const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuT1R.8yVUzFvPYbXjyBk6EYb6AfFS8Sy";

fn said(lines: &[&str], everybody: Right) -> String {
    let lines: Vec<String> = lines.iter().map(|line| line.replace('#', HASH)).collect();
    let access = Access::parse(lines.iter().map(String::as_str), everybody).unwrap();
    people(&access, Right::Write, "ANYBODY")
}

#[test]
fn who_may_write_is_said_as_the_rules_give_it() {
    let cases: [(&[&str], Right, &str); 9] = [
        (&[], Right::Write, "ANYBODY"),
        (&["@/secret:r"], Right::Write, "ANYBODY, except below /secret"),
        (&["@/secret:r", "a:#"], Right::Write, "ANYBODY, except below /secret; there: 1 account"),
        (&["a:#"], Right::Read, "only 1 account"),
        (&["a:#", "b:#"], Right::None, "only 2 accounts"),
        (&["a:#@/docs:rw"], Right::Read, "only 1 account, below /docs"),
        (&["a:#@/docs:rw", "b:#"], Right::Read, "only 2 accounts, in their own places"),
        (&["@/inbox:rw", "a:#"], Right::Read, "ANYBODY, below /inbox; elsewhere: 1 account"),
        (&["a:#@/:r"], Right::Read, "nobody: no account has the right to"),
    ];
    for (lines, everybody, words) in cases {
        assert_eq!(said(lines, everybody), words, "{lines:?}");
    }
}

#[test]
fn a_pattern_is_a_place_too() {
    let mut access = Access::parse([], Right::Read).unwrap();
    access.add_rule("*", [PathPattern::parse("/inbox/*.txt").unwrap()], Right::Write).unwrap();
    assert_eq!(people(&access, Right::Write, "ANYBODY"), "ANYBODY, in /inbox/*.txt only");
}
