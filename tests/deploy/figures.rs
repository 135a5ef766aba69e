//! Tables in the documentation that are measured: compared with it, or written to it.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// Several tests may write into one page.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A Markdown table with a heading for each column and a name for each row.
pub(crate) fn table(headings: &[&str], rows: &[(&str, Vec<String>)]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(headings.to_vec()) + &format!("|{}\n", "---|".repeat(headings.len()));
    for (name, cells) in rows {
        assert_eq!(cells.len() + 1, headings.len(), "{name}");
        text += &line([*name].into_iter().chain(cells.iter().map(String::as_str)).collect());
    }
    text
}

/// Compares a table with the one in `docs/PAGE` between the marks of this name, or writes it there. With other versions
/// than those that are named there a difference is printed and nothing fails.
#[track_caller]
pub(crate) fn settle(page: &str, name: &str, versions: &[String], table: &str) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- measured: {name} -->\n"), format!("<!-- end: {name} -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)));
    let Some((before, (stands, after))) = parts else { panic!("no marks of {name:?} in {page}") };
    let versions = format!("{}.\n", versions.join(", "));
    let measured = format!("{versions}\n{table}");
    if stands == measured {
        return;
    }
    if std::env::var_os("IFMATCH_UPDATE_DOCS").is_some() {
        fs::write(&path, [before, &begin, &measured, &end, after].concat()).unwrap();
        return;
    }
    assert!(
        !stands.is_empty() && !stands.starts_with(&versions),
        "docs/{page} tells otherwise. If this is right: IFMATCH_UPDATE_DOCS=1 cargo test --test deploy\n{measured}\nit tells:\n{stands}"
    );
    tell(&format!("docs/{page} was measured with other versions. With these it is\n{measured}"));
}

/// Writes past the test runner's capture.
#[expect(clippy::explicit_write, reason = "eprintln! is captured")]
fn tell(what: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "{what}").unwrap();
}
