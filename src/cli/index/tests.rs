//! Where the index is saved, and what the flag takes.

use super::*;

#[test]
fn the_usual_folder_follows_the_environment() {
    for (xdg, home, folder) in [
        (Some("/c"), Some("/h"), "/c/ifmatch"),
        (Some("relative"), Some("/h"), "/h/.cache/ifmatch"),
        (Some(""), Some("/h"), "/h/.cache/ifmatch"),
        (None, Some("/h"), "/h/.cache/ifmatch"),
        (None, Some(""), "/var/cache/ifmatch"),
        (None, None, "/var/cache/ifmatch"),
    ] {
        let variable = |name: &str| match name {
            "XDG_CACHE_HOME" => xdg.map(OsString::from),
            "HOME" => home.map(OsString::from),
            _ => None,
        };
        assert_eq!(usual_folder(variable), Path::new(folder), "{xdg:?} {home:?}");
    }
}

#[test]
fn what_used_to_be_this_flag_is_named() {
    assert_eq!(mode("eager"), Ok(IndexMode::Eager));
    assert!(mode("main.html").unwrap_err().contains("--index-file"));
}
