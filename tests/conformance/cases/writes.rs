//! PUT and DELETE as single requests: what they answer, which preconditions hold them back, and what is on the disk then.

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Ours, Should};
use crate::case::{Case, Group, Miss, Offer, On, Verdict, asks, case, ensure, expect, not_offered};
use crate::question::other_version;
use crate::site::{Site, modified, on_disk, replace_dated, set_modified, text_of, write};

/// Sections 9.3.4 and 9.3.5 of RFC 9110, and 13 for them.
pub(crate) const GROUP: Group = Group { name: "writes", cases: CASES };

const PUT: &str = "RFC 9110, 9.3.4";
const IM: &str = "RFC 9110, 13.1.1";
const INM: &str = "RFC 9110, 13.1.2";
const IUS: &str = "RFC 9110, 13.1.4";
const OTHER: &str = "If-Match: \"no-such-tag\"";
const CREATED: &[u16] = &[201];
/// 201 for what was there already is the fault of one case, and of no other.
const DONE: &[u16] = &[200, 201, 204];
const FAILED: &[u16] = &[412];
const NOT_DONE: &[u16] = &[400, 409, 412, 428];

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("put-new", Must, PUT, "PUT of what is not there: 201", asks("PUT", On::Missing, &[], CREATED)),
    case("put-replace", Must, PUT, "PUT of what is there: 200 or 204", asks("PUT", On::File, &[], &[200, 204])),
    case("put-empty", Must, PUT, "PUT of nothing makes an empty file", Runs(put_nothing)).needs(Offer::Put),
    case("put-chunked", Must, "RFC 9112, 7.1", "PUT of a body in chunks", Runs(put_chunks)).needs(Offer::Put),
    case("put-tag-sent", Ours, PUT, "the answer to PUT has the new ETag", Runs(put_sends_a_tag)).needs(Offer::Put),
    case("put-tag-true", Must, PUT, "and it is the ETag of the next GET", Runs(put_tag_is_true)).needs(Offer::Put),
    case("put-tag-next", Must, "RFC 9110, 8.8.1", "the tag after PUT is another than before", Runs(put_changes_the_tag)).needs(Offer::Put),
    case("put-im-current", Must, IM, "If-Match with the current tag: performed", asks("PUT", On::File, &["If-Match: {tag}"], DONE)),
    case("put-im-other", Must, IM, "with another tag: 412, nothing touched", asks("PUT", On::File, &[OTHER], FAILED)),
    case("put-im-any", Must, IM, "`If-Match: *` for what is there: performed", asks("PUT", On::File, &["If-Match: *"], DONE)),
    case("put-im-any-missing", Must, IM, "`If-Match: *` for what is not there: 412, nothing made", asks("PUT", On::Missing, &["If-Match: *"], FAILED)),
    case("put-im-missing", Must, IM, "If-Match with a tag for what is not there: 412", asks("PUT", On::Missing, &[OTHER], FAILED)),
    case("put-im-list", Must, IM, "a list whose last tag is the current one: performed", asks("PUT", On::File, &["If-Match: \"x\", \"y,z\", {tag}"], DONE)),
    case("put-im-lines", Must, "RFC 9110, 5.3", "two field lines are one list: performed", asks("PUT", On::File, &["If-Match: \"x\"", "If-Match: {tag}"], DONE)),
    case("put-im-weak", Must, IM, "the current tag, marked weak: 412", asks("PUT", On::File, &["If-Match: {weak}"], FAILED)),
    case("put-im-high-bytes", Must, IM, "a tag with a byte above 0x7f: 412 or 400, and is not passed over", asks("PUT", On::File, &["If-Match: \"{high}\""], NOT_DONE)),
    case("put-im-comma-inside", Must, "RFC 9110, 8.8.3", "the current tag within the quotes of another: 412", asks("PUT", On::File, &["If-Match: \"x,{opaque},y\""], FAILED)),
    case("put-im-unquoted", Ours, IM, "the current tag without its quotes: not performed", asks("PUT", On::File, &["If-Match: {opaque}"], NOT_DONE)),
    case("put-im-empty", Ours, IM, "an empty If-Match: not performed", asks("PUT", On::File, &["If-Match: "], NOT_DONE)),
    case("put-im-garbage", Ours, IM, "an If-Match that is no list of tags: not performed", asks("PUT", On::File, &["If-Match: \"x"], NOT_DONE)),
    case("put-inm-any", Must, INM, "`If-None-Match: *` for what is there: 412, nothing touched", asks("PUT", On::File, &["If-None-Match: *"], FAILED)),
    case("put-inm-any-missing", Must, INM, "`If-None-Match: *` for what is not there: 201", asks("PUT", On::Missing, &["If-None-Match: *"], CREATED)),
    case("put-inm-current", Must, INM, "If-None-Match with the current tag: 412 (304 is for GET and HEAD only)", asks("PUT", On::File, &["If-None-Match: {sent}"], FAILED)),
    case("put-inm-weak", Must, INM, "the current tag, marked weak: 412, for the comparison is weak", asks("PUT", On::File, &["If-None-Match: {weak}"], FAILED)),
    case("put-inm-other", Must, INM, "with another tag: performed", asks("PUT", On::File, &["If-None-Match: \"no-such-tag\""], DONE)),
    case("put-inm-garbage", Ours, INM, "an If-None-Match that is no list of tags: not performed", asks("PUT", On::File, &["If-None-Match: {opaque}"], NOT_DONE)),
    case("put-ius-equal", Must, IUS, "If-Unmodified-Since with the date of the file: performed", asks("PUT", On::File, &["If-Unmodified-Since: {date}"], DONE)),
    case("put-ius-later", Must, IUS, "with a later date: performed", asks("PUT", On::File, &["If-Unmodified-Since: {date-after}"], DONE)),
    case("put-ius-earlier", Must, IUS, "with an earlier date: 412, nothing touched", asks("PUT", On::File, &["If-Unmodified-Since: {date-before}"], FAILED)),
    case("put-ius-garbage", Must, IUS, "with what is no date: ignored", asks("PUT", On::File, &["If-Unmodified-Since: yesterday"], DONE)),
    case("put-im-ius", Must, "RFC 9110, 13.2.2", "If-Match holds, If-Unmodified-Since does not: performed", asks("PUT", On::File, &["If-Match: {tag}", "If-Unmodified-Since: {date-before}"], DONE)),
    case("put-ims", Must, "RFC 9110, 13.1.3", "If-Modified-Since means nothing for PUT", asks("PUT", On::File, &["If-Modified-Since: {date}"], DONE)),
    case("put-touched", Ours, "git checkout, rsync", "a file that was only touched is still the version that If-Match names", Runs(put_after_touch)).needs(Offer::Put),
    case("put-edited", Must, IM, "a file that was edited meanwhile, at the same length and date, is not: 412", Runs(put_after_edit)).needs(Offer::Put),
    case("put-content-range", Should, "RFC 9110, 14.5", "Content-Range on PUT: 400, and the file is not replaced by a piece", asks("PUT", On::File, &["Content-Range: bytes 0-22/1000"], &[400, 415, 501])),
    case("put-content-encoding", Should, "RFC 9110, 8.4", "a body with a Content-Encoding is refused, or sent back with it", Runs(put_encoded)).needs(Offer::Put),
    case("put-digest", Ours, "RFC 9530", "a body that is not what its digest says is refused", asks("PUT", On::File, &["Content-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"], &[400, 409, 422])),
    case("put-mode", Ours, "the owner's chmod", "a file that is replaced keeps its mode", Runs(put_keeps_the_mode)).needs(Offer::Put),
    case("put-folder", Must, PUT, "PUT on a folder: refused, and what is in it stays", Tries(folder_stays, "PUT /")).needs(Offer::Put),
    case("put-folder-plain", Must, PUT, "the same without the slash", Tries(folder_stays, "PUT ")).needs(Offer::Put),
    case("put-foreign-site", Ours, "advisories of dev servers, 2025", "a web page of another site may not write", asks("PUT", On::File, &["Origin: http://evil.example", "Sec-Fetch-Site: cross-site"], &[401, 403])),
    case("put-foreign-host", Ours, "DNS rebinding", "nor a request under a foreign name", Runs(put_under_a_foreign_name)).needs(Offer::Put),
    case("delete", Must, "RFC 9110, 9.3.5", "DELETE: 200, 202 or 204, and the file is gone", asks("DELETE", On::File, &[], &[200, 202, 204])),
    case("delete-missing", Must, "RFC 9110, 9.3.5", "DELETE of what is not there: 404", asks("DELETE", On::Missing, &[], &[404])),
    case("delete-missing-im", Must, "RFC 9110, 13.2.1", "the same with If-Match: 404 or 412", asks("DELETE", On::Missing, &["If-Match: *"], &[404, 412])),
    case("delete-im-current", Must, IM, "If-Match with the current tag: gone", asks("DELETE", On::File, &["If-Match: {tag}"], DONE)),
    case("delete-im-other", Must, IM, "with another tag: 412, and the file stays", asks("DELETE", On::File, &[OTHER], FAILED)),
    case("delete-im-weak", Must, IM, "the current tag, marked weak: 412", asks("DELETE", On::File, &["If-Match: {weak}"], FAILED)),
    case("delete-im-unquoted", Ours, IM, "the current tag without its quotes: the file stays", asks("DELETE", On::File, &["If-Match: {opaque}"], NOT_DONE)),
    case("delete-inm-any", Must, INM, "`If-None-Match: *`: 412, and the file stays", asks("DELETE", On::File, &["If-None-Match: *"], FAILED)),
    case("delete-ius-earlier", Must, IUS, "an earlier If-Unmodified-Since: 412, and the file stays", asks("DELETE", On::File, &["If-Unmodified-Since: {date-before}"], FAILED)),
    case("delete-ius-equal", Must, IUS, "the date of the file: gone", asks("DELETE", On::File, &["If-Unmodified-Since: {date}"], DONE)),
    case("delete-then-create", Must, INM, "after DELETE, `If-None-Match: *` creates again: 201", Runs(delete_then_create)).needs(Offer::Delete),
];

fn put_nothing(site: &Site) -> Verdict {
    let file = site.absent();
    expect(&site.ask(&site.put(&file.target, b""))?, CREATED)?;
    ensure(on_disk(&file.path).as_deref() == Some(b""), || "no empty file on the disk".to_owned())
}

fn put_chunks(site: &Site) -> Verdict {
    let file = site.absent();
    let bytes = text_of(1, 10_000);
    let response = site.ask(&site.request("PUT", &file.target).chunked(&bytes, 1000))?;
    expect(&response, CREATED)?;
    ensure(on_disk(&file.path).as_ref() == Some(&bytes), || "other bytes on the disk".to_owned())
}

/// The ETag in the answer to a PUT that replaces, and the one of the next GET.
fn tags_of_put(site: &Site) -> Result<(Option<String>, Option<String>), Miss> {
    let file = site.file()?;
    let new = other_version(&file);
    let response = site.ask(&site.put(&file.target, &new))?;
    expect(&response, &[200, 201, 204])?;
    let next = site.get(&file.target)?;
    ensure(next.body == new, || "the next GET has not brought what was uploaded".to_owned())?;
    Ok((response.field("ETag").map(str::to_owned), next.field("ETag").map(str::to_owned)))
}

fn put_sends_a_tag(site: &Site) -> Verdict {
    let (sent, _) = tags_of_put(site)?;
    ensure(sent.is_some(), || "no ETag in the answer to PUT".to_owned())
}

fn put_tag_is_true(site: &Site) -> Verdict {
    match tags_of_put(site)? {
        (None, _) => not_offered("no ETag in the answer to PUT"),
        (sent, next) => ensure(sent == next, || format!("{sent:?} after PUT, {next:?} after GET")),
    }
}

fn put_changes_the_tag(site: &Site) -> Verdict {
    let file = site.file()?;
    let mut tags = vec![site.strong_tag(&file)?];
    for version in 2..12 {
        let new = text_of(version, file.bytes.len());
        expect(&site.ask(&site.put(&file.target, &new))?, &[200, 201, 204])?;
        let next = site.get(&file.target)?;
        let Some(tag) = next.strong_tag() else { continue };
        ensure(!tags.iter().any(|known| known == tag), || format!("{tag} with two versions"))?;
        tags.push(tag.to_owned());
    }
    Ok(())
}

fn put_after_touch(site: &Site) -> Verdict {
    let file = site.file()?;
    let tag = site.strong_tag(&file)?;
    set_modified(&file.path, std::time::SystemTime::now())?;
    expect(&site.ask(&site.put(&file.target, b"new").field("If-Match", tag))?, DONE)
}

fn put_after_edit(site: &Site) -> Verdict {
    let file = site.file()?;
    let tag = site.strong_tag(&file)?;
    let edited = other_version(&file);
    replace_dated(&file.path, &edited, Some(modified(&file.path)?))?;
    let response = site.ask(&site.put(&file.target, b"new").field("If-Match", tag))?;
    ensure(on_disk(&file.path) == Some(edited), || format!("{}, and the edit is lost", response.status))?;
    expect(&response, FAILED)
}

fn put_encoded(site: &Site) -> Verdict {
    let file = site.absent();
    let bytes = b"\x1f\x8b\x08\x00 not really gzip";
    let response = site.ask(&site.put(&file.target, bytes).field("Content-Encoding", "gzip"))?;
    if !response.is_success() {
        return ensure(on_disk(&file.path).is_none(), || "refused, and yet there is a file".to_owned());
    }
    let next = site.get(&file.target)?;
    ensure(next.lists("Content-Encoding", "gzip"), || "sent back without Content-Encoding".to_owned())
}

fn put_keeps_the_mode(site: &Site) -> Verdict {
    use std::os::unix::fs::PermissionsExt;
    let file = site.file()?;
    let failed = |error: std::io::Error| error.to_string();
    std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(0o646)).map_err(failed)?;
    expect(&site.ask(&site.put(&file.target, b"new"))?, &[200, 201, 204])?;
    let mode = std::fs::metadata(&file.path).map_err(failed)?.permissions().mode() & 0o777;
    ensure(mode == 0o646, || format!("the mode is {mode:o} instead of 646"))
}

/// A method and what stands behind the name of the folder.
fn folder_stays(site: &Site, spec: &str) -> Verdict {
    let (method, slash) = spec.split_once(' ').expect("a method and a slash");
    let (folder, name) = site.folder()?;
    write(&folder.join("inside.txt"), b"inside")?;
    let mut request = site.request(method, site.target(&format!("{name}{slash}")));
    if method == "PUT" {
        request = request.body("new");
    }
    let response = site.ask(&request)?;
    ensure(on_disk(&folder.join("inside.txt")).as_deref() == Some(b"inside"), || {
        format!("{}, and what was in the folder is gone", response.status)
    })?;
    ensure((300..500).contains(&response.status), || format!("{} to {method} on a folder", response.status))
}

fn put_under_a_foreign_name(site: &Site) -> Verdict {
    let file = site.file()?;
    let response = site.ask(&site.put(&file.target, b"new").host("evil.example"))?;
    ensure(on_disk(&file.path) == Some(file.bytes), || format!("{}, and written", response.status))?;
    expect(&response, &[400, 401, 403, 404, 421])
}

fn delete_then_create(site: &Site) -> Verdict {
    let file = site.file()?;
    site.get_file(&file)?;
    expect(&site.ask(&site.request("DELETE", &file.target))?, &[200, 202, 204])?;
    let response = site.ask(&site.put(&file.target, b"new").field("If-None-Match", "*"))?;
    expect(&response, CREATED)?;
    ensure(on_disk(&file.path).as_deref() == Some(b"new"), || "other bytes on the disk".to_owned())
}
