//! Request targets that try to leave the folder, to hide what they name, or to get back into an answer.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Ours};
use crate::case::{Case, Group, Miss, Offer, Verdict, case, ensure, expect, not_offered};
use crate::site::{Site, make_folder, on_disk, text_of, write};
use crate::wire::find;

use super::sending::lives;

/// Attacks on the path of a request.
pub(crate) const GROUP: Group = Group { name: "paths", cases: CASES };

const TRAVERSAL: &str = "Apache CVE-2021-41773, serve CVE-2018-3712";
const LINKS: &str = "dufs #670, miniserve 0.19.5, aiohttp CVE-2024-42367";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("path-dots", Must, TRAVERSAL, "`..` does not leave the folder", Tries(does_not_leave, "/../{out}")),
    case("path-dots-below", Must, TRAVERSAL, "nor below a folder", Tries(does_not_leave, "/{folder}/../../{out}")),
    case("path-dots-encoded", Must, TRAVERSAL, "nor as %2e%2e", Tries(does_not_leave, "/{folder}/%2e%2e/%2e%2e/{out}")),
    case("path-dots-half", Must, TRAVERSAL, "nor as .%2e", Tries(does_not_leave, "/{folder}/.%2e/.%2e/{out}")),
    case("path-dots-twice", Must, TRAVERSAL, "nor encoded twice", Tries(does_not_leave, "/{folder}/%252e%252e/%252e%252e/{out}")),
    case("path-slash-encoded", Must, TRAVERSAL, "nor with %2f", Tries(does_not_leave, "/{folder}/..%2f..%2f{out}")),
    case("path-backslash", Must, TRAVERSAL, "nor with a backslash", Tries(does_not_leave, "/{folder}/..\\..\\{out}")),
    case("path-backslash-encoded", Must, TRAVERSAL, "nor with %5c", Tries(does_not_leave, "/{folder}/..%5c..%5c{out}")),
    case("path-overlong", Must, "RFC 3629, 10", "nor in overlong UTF-8", Tries(does_not_leave, "/{folder}/%c0%ae%c0%ae/%c0%ae%c0%ae/{out}")),
    case("path-nul", Must, TRAVERSAL, "nor behind %00", Tries(does_not_leave, "/{folder}/../../{out}%00.txt")),
    case("path-semicolon", Must, TRAVERSAL, "nor as `..;`", Tries(does_not_leave, "/{folder}/..;/..;/{out}")),
    case("path-absolute-form", Must, TRAVERSAL, "nor in absolute form", Tries(does_not_leave, "http://localhost/{folder}/../../{out}")),
    case("path-absolute-name", Must, TRAVERSAL, "nor as the name of a file on this machine", Tries(does_not_leave, "/{absolute}")),
    case("path-absolute-slashes", Must, TRAVERSAL, "nor behind two slashes", Tries(does_not_leave, "//{absolute}")),
    case("path-put-dots", Must, "miniserve #518", "an upload does not leave the folder", Tries(upload_does_not_leave, "/{folder}/../../{new}")).needs(Offer::Put),
    case("path-put-encoded", Must, "miniserve #518", "nor as %2e%2e%2f", Tries(upload_does_not_leave, "/{folder}/%2e%2e%2f%2e%2e%2f{new}")).needs(Offer::Put),
    case("path-put-backslash", Must, "miniserve #518", "nor with %5c", Tries(upload_does_not_leave, "/{folder}/..%5c..%5c{new}")).needs(Offer::Put),
    case("path-delete-dots", Must, "miniserve #518", "DELETE does not leave the folder", Tries(delete_does_not_leave, "/{folder}/../../{out}")).needs(Offer::Delete),
    case("path-delete-encoded", Must, "miniserve #518", "nor as %2e%2e%2f", Tries(delete_does_not_leave, "/{folder}/%2e%2e%2f%2e%2e%2f{out}")).needs(Offer::Delete),
    case("link-file", Ours, LINKS, "a link to a file outside is not followed", Tries(link_outside, "file")),
    case("link-folder", Ours, LINKS, "nor one to a folder outside", Tries(link_outside, "folder")),
    case("link-dangling", Must, LINKS, "a link to nothing: 404 or 403", Tries(link_outside, "nothing")),
    case("link-loop", Must, LINKS, "a link to itself: 403, 404 or 508", Tries(link_outside, "itself")),
    case("link-put", Ours, LINKS, "an upload through a link writes nothing outside", Runs(upload_through_a_link)).needs(Offer::Put),
    case("hidden-git", Ours, "exposed .git folders", "a name that begins with a dot is not served", Tries(hidden, "/{folder}/.git/config")),
    case("hidden-encoded", Ours, "Caddy CVE-2026-52844", "nor as %2egit", Tries(hidden, "/{folder}/%2egit/config")),
    case("hidden-slashes", Ours, "hono", "nor behind two slashes", Tries(hidden, "//{folder}//.git/config")),
    case("hidden-slash-encoded", Ours, "fastify CVE-2026-6414", "nor with %2f", Tries(hidden, "/{folder}/.git%2fconfig")),
    case("path-percent", Ours, "RFC 3986, 2.1", "`%zz` is not an error of the server", Tries(no_server_error, "/%zz")),
    case("path-percent-end", Ours, "RFC 3986, 2.1", "nor is a `%` at the end", Tries(no_server_error, "/a%")),
    case("path-nul-plain", Ours, "actix-web #4082", "nor is %00", Tries(no_server_error, "/a%00b")),
    case("path-not-utf8", Ours, "dufs #690", "nor are bytes that are no UTF-8", Tries(no_server_error, "/%ff%fe")),
    case("path-long", Ours, "ENAMETOOLONG", "nor is a name of 5,000 letters", Tries(no_server_error, "/{long}")),
    case("path-below-file", Ours, "ENOTDIR", "nor is a path below a file", Tries(no_server_error, "{file}/below")),
    case("path-file-slash", Ours, "RFC 3986, 6.2.2", "a file is not there under its name with a slash", Tries(no_server_error, "{file}/")),
    case("redirect-foreign", Must, "dufs #669, serve-static CVE-2015-1164", "`//host` is not redirected to that host", Tries(no_open_redirect, "//{folder}")),
    case("redirect-foreign-dots", Must, "dufs #669", "nor is `//host/..`", Tries(no_open_redirect, "//{folder}/%2e%2e/{folder}")),
    case("redirect-backslash", Must, "dufs #669", "nor is `/\\host`", Tries(no_open_redirect, "/\\{folder}")),
    case("inject-redirect", Must, "dufs #691, CWE-113", "a line break in the name of a folder does not get into the head of an answer", Runs(no_injection)),
];

/// A file beside the folder, and a target with its placeholders filled in.
fn aim(site: &Site, template: &str) -> Result<(PathBuf, String), Miss> {
    let beside = site.root().parent().ok_or("the folder has nothing beside it".to_owned())?;
    let name = format!("outside-{}-{}.txt", std::process::id(), site.name());
    let outside = beside.join(&name);
    write(&outside, SECRET)?;
    let absolute = outside.to_string_lossy().trim_start_matches('/').to_owned();
    let target = template
        .replace("{folder}", &site.folder()?.1)
        .replace("{out}", &name)
        .replace("{absolute}", &absolute)
        .replace("{new}", &format!("new-{name}"));
    Ok((outside, target))
}

const SECRET: &[u8] = b"what is not in the folder\n";

fn does_not_leave(site: &Site, template: &str) -> Verdict {
    let (outside, target) = aim(site, template)?;
    let answer = site.ask(&site.request("GET", &target));
    let _ = std::fs::remove_file(&outside);
    let response = answer?;
    ensure(find(&response.body, SECRET.trim_ascii()).is_none(), || {
        format!("{target} brings a file from outside")
    })?;
    ensure(response.status < 500, || format!("{} to {target}", response.status))
}

fn upload_does_not_leave(site: &Site, template: &str) -> Verdict {
    let (outside, target) = aim(site, template)?;
    let name = outside.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let new = outside.with_file_name(format!("new-{name}"));
    let answer = site.ask(&site.put(&target, b"uploaded"));
    let (written, _) = (on_disk(&new), (std::fs::remove_file(&new), std::fs::remove_file(&outside)));
    let response = answer?;
    ensure(written.is_none(), || format!("PUT {target} ({}) has written outside", response.status))?;
    ensure(response.status < 500, || format!("{} to PUT {target}", response.status))
}

fn delete_does_not_leave(site: &Site, template: &str) -> Verdict {
    let (outside, target) = aim(site, template)?;
    let answer = site.ask(&site.request("DELETE", &target));
    let left = on_disk(&outside);
    let _ = std::fs::remove_file(&outside);
    let response = answer?;
    ensure(left.is_some(), || format!("DELETE {target} ({}) has deleted outside", response.status))?;
    ensure(response.status < 500, || format!("{} to DELETE {target}", response.status))
}

fn link_outside(site: &Site, to: &str) -> Verdict {
    let (outside, _) = aim(site, "")?;
    let (folder, name) = site.folder()?;
    let link = folder.join("link");
    let inside = outside.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (points_at, target) = match to {
        "file" => (outside.clone(), "link".to_owned()),
        "folder" => (outside.parent().unwrap_or(&outside).to_owned(), format!("link/{inside}")),
        "nothing" => (folder.join("nothing"), "link".to_owned()),
        _ => (link.clone(), "link".to_owned()),
    };
    symlink(points_at, &link).map_err(|error| error.to_string())?;
    let answer = site.get(&site.target(&format!("{name}/{target}")));
    let _ = std::fs::remove_file(&outside);
    let response = answer?;
    ensure(response.body != SECRET, || "the file from outside".to_owned())?;
    expect(&response, &[403, 404, 508])
}

fn upload_through_a_link(site: &Site) -> Verdict {
    let (outside, _) = aim(site, "")?;
    let (folder, name) = site.folder()?;
    symlink(&outside, folder.join("link")).map_err(|error| error.to_string())?;
    let answer = site.ask(&site.put(&site.target(&format!("{name}/link")), b"uploaded"));
    let left = on_disk(&outside);
    let _ = std::fs::remove_file(&outside);
    let status = answer?.status;
    ensure(left.as_deref() == Some(SECRET), || format!("{status}, and the file outside is another one"))
}

fn hidden(site: &Site, template: &str) -> Verdict {
    let (folder, name) = site.folder()?;
    make_folder(&folder.join(".git"))?;
    write(&folder.join(".git/config"), SECRET)?;
    let response = site.get(&template.replace("{folder}", &name))?;
    ensure(response.body != SECRET, || format!("{} with the file", response.status))?;
    ensure(!response.is_success(), || format!("{}", response.status))
}

fn no_server_error(site: &Site, template: &str) -> Verdict {
    let file = site.file()?;
    let target = template.replace("{long}", &"a".repeat(5000)).replace("{file}", &file.target);
    let response = site.get(&target)?;
    ensure((300..500).contains(&response.status), || format!("{}", response.status))?;
    lives(site)
}

/// A folder with the name of a host, so that there is something to redirect to.
fn no_open_redirect(site: &Site, template: &str) -> Verdict {
    let name = format!("{}.example", site.name());
    make_folder(&site.root().join(&name))?;
    write(&site.root().join(&name).join("index.html"), &text_of(1, 100))?;
    let response = site.get(&template.replace("{folder}", &name))?;
    ensure(response.status < 500, || format!("{}", response.status))?;
    let Some(location) = response.field("Location") else { return Ok(()) };
    let foreign = ["//", "/\\", "\\"].iter().any(|start| location.starts_with(start))
        || location.contains(&format!("://{name}"));
    ensure(!foreign, || format!("Location: {location}"))
}

fn no_injection(site: &Site) -> Verdict {
    let name = format!("{}\r\nX-Injected: yes\r\n", site.name());
    make_folder(&site.root().join(&name))?;
    let encoded = name.replace('\r', "%0d").replace('\n', "%0a").replace(' ', "%20");
    let response = site.get(&site.target(&encoded))?;
    ensure(response.field("X-Injected").is_none(), || "a field that the name has brought".to_owned())?;
    if response.status == 200 {
        return not_offered("no redirect to a folder");
    }
    expect(&response, &[301, 302, 303, 307, 308, 400, 403, 404])
}
