//! Rights by path, and proving that one is somebody.

use super::*;

/// The hash of "secret", cheap to compute.
fn bcrypt_hash() -> String {
    bcrypt::hash("secret", 4).unwrap()
}

fn path(text: &str) -> ResourcePath<'_> {
    match text {
        "" => ResourcePath::ROOT,
        _ => ResourcePath::from_names(text, Dotfiles::Served).unwrap(),
    }
}

fn prove(access: &Access, credentials: &Credentials<'_>) -> Proof {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(access.prove(credentials, None))
}

#[test]
fn the_rule_with_the_longest_path_counts() {
    let hash = bcrypt_hash();
    let lines = [
        format!("alice:{hash}"),
        format!("bob:{hash}@/docs:rw"),
        format!("bob:{hash}@/docs/final:r"),
        format!("eve:{hash}@/:-"),
        "@/secret:-".to_owned(),
        "@/inbox/:rw".to_owned(),
    ];
    let access = Access::parse(lines.iter().map(String::as_str), Right::Read).unwrap();
    let visitor = |name: &str| match name {
        "" => Visitor::ANYBODY,
        _ => match prove(&access, &Credentials::Password(name, b"secret")) {
            Proof::Given(visitor) => visitor,
            other => panic!("{name}: {other:?}"),
        },
    };
    let (none, read, write) = (Right::None, Right::Read, Right::Write);
    for (name, rights) in [
        ("", [read, read, read, none, none, write, write, read]),
        ("alice", [write; 8]),
        ("bob", [read, write, read, none, none, write, write, read]),
        ("eve", [read, read, read, none, none, write, write, read]),
    ] {
        let paths = ["", "docs/a", "docs/final/a", "secret", "secret/a", "inbox", "inbox/a", "docsy"];
        for (at, right) in paths.iter().zip(rights) {
            let allowed = [Right::Read, Right::Write].map(|it| access.allows(visitor(name), &path(at), it));
            assert_eq!(allowed, [right >= Right::Read, right >= Right::Write], "{name:?} at /{at}");
        }
    }
}

#[test]
fn a_conflict_copy_is_for_who_may_have_its_file() {
    let access = Access::parse(["@/notes.txt:-", "@/docs/in:rw"], Right::Read).unwrap();
    for (name, rights) in [
        ("notes.conflict-20261122T151309Z-1a2b3c.txt", [false, false]),
        ("notes.conflict-20261122T151309Z-1a2b3c.conflict-20261122T151309Z-1a2b3c.txt", [false, false]),
        ("docs/notes.conflict-20261122T151309Z-1a2b3c.txt", [true, false]),
        ("docs/in.conflict-20261122T151309Z-1a2b3c", [true, false]),
        ("docs/in/a.conflict-20261122T151309Z-1a2b3c", [true, true]),
        // These are none.
        ("notes.conflict-20261122T151309Z-1a2b3.txt", [true, false]),
        ("notes.conflict-20261122T151309Z-1a2b3cc.txt", [true, false]),
        ("notes.conflict-", [true, false]),
        ("notes.conflict-20261122T151309Z-1a2b3c/.txt", [true, false]),
    ] {
        let found =
            [Right::Read, Right::Write].map(|right| access.allows(Visitor::ANYBODY, &path(name), right));
        assert_eq!(found, rights, "{name}");
    }
}

#[test]
fn what_a_pattern_takes_from_a_folder_is_taken_from_all_in_it() {
    let (none, read, write) = (Right::None, Right::Read, Right::Write);
    type Case<'a> = (&'a [(&'a str, Right)], &'a str, Right);
    let cases: [Case<'_>; 16] = [
        (&[("/drafts", none)], "drafts/a/b", none),
        (&[("/drafts", none)], "draftsy/a", write),
        (&[("/drafts/*", none)], "drafts", write),
        (&[("/drafts/*", none)], "drafts/a", none),
        (&[("/drafts/*", none)], "drafts/a/b", none),
        (&[(".git", none)], "a/.git/config", none),
        (&[("*.secret", none)], "a/b.secret/c", none),
        (&[("/docs", read)], "docs/a", read),
        // What is given is given to what is named, ...
        (&[("**", none), ("/inbox/*.txt", write)], "inbox/a.txt", write),
        (&[("**", none), ("/inbox/*.txt", write)], "inbox/a.txt/b.html", none),
        (&[("**", none), ("/docs", read)], "docs/a", none),
        // ... and later rules count.
        (&[("/drafts", none), ("/drafts/a", read)], "drafts/a", read),
        (&[("/drafts", none), ("*.html", read)], "drafts/b.html", read),
        (&[("*.html", read), ("/drafts", none)], "drafts/b.html", none),
        (&[("/notes.txt", none)], "notes.conflict-20261122T151309Z-1a2b3c.txt", none),
        (&[("/notes.txt", none)], "notes.conflict-20261122T151309Z.txt", write),
    ];
    for (rules, at, expected) in cases {
        let mut access = Access::open();
        for (pattern, right) in rules {
            access.add_rule("*", [PathPattern::parse(pattern).unwrap()], *right).unwrap();
        }
        for right in [read, write] {
            let allowed = access.allows(Visitor::ANYBODY, &path(at), right);
            assert_eq!(allowed, expected >= right, "{rules:?} {at} {right:?}");
        }
    }
}

#[test]
fn who_has_a_name_proves_it() {
    let (token, token_hash) = new_token().unwrap();
    let argon2 = password_hash(b"long and secret").unwrap();
    // Made by `openssl passwd -6 -salt saltsalt secret`.
    let sha =
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
    let lines = [
        format!("b:{}", bcrypt_hash()),
        format!("a:{argon2}"),
        format!("t:{token_hash}"),
        format!("s:{sha}"),
    ];
    let access = Access::parse(lines.iter().map(String::as_str), Right::Read).unwrap();
    assert!(access.has_tokens() && access.accounts.len() == 4);
    let given = |index| Proof::Given(Visitor(Some(index)));
    for (credentials, wanted) in [
        (Credentials::Password("b", b"secret"), given(0)),
        (Credentials::Password("b", b"Secret"), Proof::Wrong),
        (Credentials::Password("b", b""), Proof::Wrong),
        (Credentials::Password("a", b"long and secret"), given(1)),
        (Credentials::Password("a", b"long and secret"), given(1)),
        (Credentials::Password("a", b"secret"), Proof::Wrong),
        (Credentials::Password("s", b"secret"), given(3)),
        (Credentials::Password("s", b"secret "), Proof::Wrong),
        (Credentials::Password("", b"secret"), Proof::Wrong),
        (Credentials::Password("nobody", b"secret"), Proof::Wrong),
        (Credentials::Password("t", token.as_bytes()), Proof::Wrong),
        (Credentials::Token(token.as_bytes()), given(2)),
        (Credentials::Token(b"secret"), Proof::Wrong),
        (Credentials::Token(token_hash.as_bytes()), Proof::Wrong),
        (Credentials::Password("b", &[b'x'; 4096]), Proof::Wrong),
    ] {
        assert_eq!(prove(&access, &credentials), wanted, "{credentials:?}");
    }
    // Without an account nobody has one.
    assert_eq!(prove(&Access::open(), &Credentials::Password("b", b"secret")), Proof::Wrong);
}

#[test]
fn after_some_wrong_passwords_one_has_to_wait() {
    let access = Access::parse([format!("b:{}", bcrypt_hash()).as_str()], Right::Read).unwrap();
    for _ in 0..5 {
        assert_eq!(prove(&access, &Credentials::Password("b", b"wrong")), Proof::Wrong);
    }
    assert!(matches!(prove(&access, &Credentials::Password("b", b"secret")), Proof::Later(1..)));
    // The same with a name that nobody has.
    for _ in 0..5 {
        assert_eq!(prove(&access, &Credentials::Password("n", b"wrong")), Proof::Wrong);
    }
    assert!(matches!(prove(&access, &Credentials::Password("n", b"wrong")), Proof::Later(1..)));
}

#[test]
fn a_line_that_makes_no_sense_is_told_without_its_secret() {
    let hash = bcrypt_hash();
    for (line, words) in [
        ("alice".to_owned(), "no colon"),
        (":hash".to_owned(), "no name before the colon"),
        ("alice:tops3cret".to_owned(), "ifmatch hash-password alice"),
        ("alice:".to_owned(), "plain text"),
        ("alice:$2y$tops3cret".to_owned(), "not a hash"),
        ("alice:$6$tops3cret".to_owned(), "not a hash"),
        ("alice:$argon2id$tops3cret".to_owned(), "not a hash"),
        ("alice:token:tops3cret".to_owned(), "not a hash"),
        ("alice:$apr1$tops3cret$abc".to_owned(), "not a hash"),
        ("alice:tops3cret@/tops3cret".to_owned(), "not a hash"),
        ("alice:tops3cret@/a:tops3cret".to_owned(), "not a hash"),
        (format!("a\0b:{hash}"), "control character"),
        (format!("alice:{hash}@/a:x"), "\"x\" is not a right"),
        (format!("alice:{hash}@/a"), "no right behind its path"),
        (format!("alice:{hash}@/a/../b:r"), "no request can name"),
        (format!("alice:{hash}@/%61:r"), "not percent-encoded"),
        (String::new(), "an empty line"),
    ] {
        let error = Access::parse([line.as_str()], Right::Read).unwrap_err().to_string();
        assert!(error.contains(words), "{line:?}: {error}");
        assert!(!error.contains("tops3cret") && !error.contains(&hash), "{error}");
    }
    let other = bcrypt_hash();
    let two = [format!("a:{hash}"), format!("a:{other}")];
    let error = Access::parse(two.iter().map(String::as_str), Right::Read).unwrap_err().to_string();
    assert!(error.contains("two different hashes"), "{error}");
}
#[test]
fn a_hash_that_takes_for_ever_is_refused() {
    let sha =
        "saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
    let argon2 = "$Baj8S2H2c1RwfiifpwDzuA$3OALXf/5LiS6G6907+otXwXZGaVbWduQulKP7Hge3qc";
    let bcrypt = bcrypt_hash().split_off("$2b$04".len());
    for (hash, wanted) in [
        (format!("$2y$16{bcrypt}"), None),
        (format!("$2y$17{bcrypt}"), Some("too long")),
        (format!("$2y$31{bcrypt}"), Some("too long")),
        (format!("$6$rounds=5000000${sha}"), None),
        (format!("$6$rounds=5000001${sha}"), Some("too long")),
        (format!("$6$rounds=999999999${sha}"), Some("too long")),
        (format!("$6$rounds=many${sha}"), Some("not a hash")),
        (format!("$argon2id$v=19$m=1048576,t=4,p=1{argon2}"), None),
        (format!("$argon2id$v=19$m=1048577,t=1,p=1{argon2}"), Some("too much memory")),
        (format!("$argon2id$v=19$m=1048576,t=5,p=1{argon2}"), Some("too long")),
        (format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1{argon2}"), Some("too long")),
        (format!("$argon2id$v=19$m=8,t=0,p=1{argon2}"), Some("not a hash")),
    ] {
        let found = Access::parse([format!("a:{hash}").as_str()], Right::Read).map_err(|why| why.to_string());
        match (wanted, found) {
            (None, Ok(_)) => {}
            (Some(words), Err(why)) if why.contains(words) => {}
            (_, found) => panic!("{hash}: {found:?}"),
        }
    }
}

#[test]
fn a_name_that_nobody_has_is_computed_like_one_that_somebody_has() {
    let access = Access::parse([format!("b:{}", bcrypt_hash()).as_str()], Right::Read).unwrap();
    let attempt = |name: &str| access.attempts.of(name, b"wrong", None);
    for name in ["b", "nobody"] {
        assert_eq!(prove(&access, &Credentials::Password(name, b"wrong")), Proof::Wrong);
        // The thread that computes hashes has recorded it.
        assert_eq!(access.attempts.at_once(&attempt(name)), 4, "{name}");
    }
}
