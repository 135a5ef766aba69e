//! A listing for people: a table of links, a page at a time, which needs no script.

use std::io::{self, Write};

use super::part::{Page, Part};
use super::rows::{Item, Rows};
use crate::http::message::html::{END_OF_PAGE, begin_page, escape};
use crate::resource_path::{ResourcePath, encode_segment};

/// On a narrow screen size and date stand below the name, which has the whole width then.
const STYLE: &str = "table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;text-align:left;\
vertical-align:top}td+td,th+th{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\
a{text-decoration:none}a:hover{text-decoration:underline}nav a{padding:.2rem .6rem}\
@media(max-width:36rem){tr{display:grid;grid-template-columns:1fr auto;gap:0 1rem;padding:.2rem 0}td,th{padding:0}\
td:first-child,th:first-child{grid-column:1/-1}td+td{font-size:.85em;opacity:.75}}";

/// Writes a page that shows `part` of the folder at `path`.
pub(super) fn write(
    target: &mut impl Write,
    path: &ResourcePath<'_>,
    rows: &Rows,
    part: Part,
) -> io::Result<()> {
    let title = format!("{path}{}", if path.as_str().is_empty() { "" } else { "/" });
    target.write_all(begin_page(&title, STYLE).as_bytes())?;
    write_pages(target, part, rows.len())?;
    target.write_all(b"<table><tr><th>Name</th><th>Size</th><th>Modified</th></tr>\n")?;
    if !path.as_str().is_empty() {
        target.write_all(b"<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n")?;
    }
    for item in rows.items(part.range()) {
        write_item(target, &item)?;
    }
    target.write_all(b"</table>\n")?;
    write_pages(target, part, rows.len())?;
    target.write_all(END_OF_PAGE.as_bytes())
}

fn write_item(target: &mut impl Write, item: &Item<'_>) -> io::Result<()> {
    let slash = if item.is_directory { "/" } else { "" };
    // "./" keeps a name with a colon from reading as a scheme.
    target.write_all(b"<tr><td><a href=\"./")?;
    for piece in encode_segment(item.name) {
        target.write_all(piece.as_bytes())?;
    }
    write!(target, "{slash}\">{}{slash}</a></td><td>", escape(item.name))?;
    if !item.is_directory {
        write!(target, "{}", item.size)?;
    }
    target.write_all(b"</td><td>")?;
    if let Some(date) = item.modified {
        write!(target, "{date}")?;
    }
    target.write_all(b"</td></tr>\n")
}

/// Writes links to other pages, if the folder has more than one.
fn write_pages(target: &mut impl Write, part: Part, count: usize) -> io::Result<()> {
    let Part::Page(page) = part else { return Ok(()) };
    let last = page.last(count);
    if last == page && last == page.first() {
        return Ok(());
    }
    write!(target, "<nav>Page {} of {}, {count} entries in all", page.number, last.number)?;
    let first = (page != page.first()).then_some(page.first());
    let links = [
        ("First", first),
        ("Previous", page.previous(count)),
        ("Next", page.next(count)),
        ("Last", (page != last).then_some(last)),
    ];
    for (name, page) in links {
        if let Some(query) = page.map(Page::query) {
            write!(target, " <a href=\"{}\">{name}</a>", escape(&query))?;
        }
    }
    target.write_all(b"</nav>\n")
}
