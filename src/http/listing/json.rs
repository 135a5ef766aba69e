//! A listing for programs: an array with an object for each entry.

use std::io::{self, Write};

use super::part::Part;
use super::rows::{Item, Rows};

/// Writes the entries of `part`.
pub(super) fn write(target: &mut impl Write, rows: &Rows, part: Part) -> io::Result<()> {
    let mut separator = "[";
    for item in rows.items(part.range()) {
        target.write_all(separator.as_bytes())?;
        write_item(target, &item)?;
        separator = ",";
    }
    target.write_all(if separator == "[" { b"[]" } else { b"]" })
}

fn write_item(target: &mut impl Write, item: &Item<'_>) -> io::Result<()> {
    target.write_all(b"{\"name\":")?;
    serde_json::to_writer(&mut *target, item.name)?;
    let kind = if item.is_directory { "directory" } else { "file" };
    write!(target, ",\"type\":\"{kind}\",\"size\":{},\"modified\":", item.size)?;
    match item.modified {
        Some(date) => write!(target, "\"{date}\"}}"),
        None => target.write_all(b"null}"),
    }
}
