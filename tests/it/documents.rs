//! The README and the manual: the commands of the README do what it says, and every link leads somewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use crate::harness::server::PROGRAM;
use crate::harness::{Folder, Launch};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The shell commands of a section of the README, line by line.
fn commands(heading: &str) -> Vec<String> {
    let readme = text(&repository().join("README.md"));
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    let lines = blocks.filter_map(|block| block.strip_prefix("sh\n")).flat_map(str::lines);
    lines.map(String::from).collect()
}

/// A folder whose `root/` has the sample site.
fn sample_site() -> Arc<Folder> {
    let folder = Folder::new();
    let copied = Command::new("cp").arg("-r").arg(repository().join("public/.")).arg(folder.root()).status();
    assert!(copied.unwrap().success());
    Arc::new(folder)
}

/// Runs a script by bash beside the served folder, which it knows as `public`, with `ifmatch` on its path.
fn bash(folder: &Folder, script: &str) -> Output {
    let place = folder.outside("");
    let public = place.join("public");
    if !public.exists() {
        std::os::unix::fs::symlink(folder.root(), &public).unwrap();
    }
    let path =
        format!("{}:{}", Path::new(PROGRAM).parent().unwrap().display(), std::env::var("PATH").unwrap());
    Command::new("bash").args(["-c", script]).current_dir(place).env("PATH", path).output().unwrap()
}

/// The commands run in order, as written but for the first, which starts the server, and the port that it takes.
#[test]
fn every_command_of_the_tour_is_answered_with_the_status_that_stands_behind_it() {
    let lines = commands("Try it");
    assert_eq!(lines[0], "ifmatch -A public &");
    let folder = sample_site();
    let server = Launch::new().arg("-A").start_in(folder.clone());

    let script: String =
        lines[1..].iter().enumerate().map(|(at, line)| format!("{line}\necho; echo '@@ {at}'\n")).collect();
    assert!(script.contains("http://127.0.0.1:8080/"));
    let output = bash(&folder, &script.replace("127.0.0.1:8080", &server.address().to_string()));

    let printed = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = printed.split("@@ ").collect();
    let mut asked = 0;
    for (line, answer) in lines[1..].iter().zip(answers) {
        if !line.starts_with("curl") {
            continue;
        }
        let (_, comment) = line.split_once(" # ").unwrap_or_else(|| panic!("without a status: {line}"));
        // The first answer of all that curl prints may be `100 Continue`.
        let status = format!("HTTP/1.1 {} ", &comment.trim_start()[..3]);
        assert!(answer.contains(&status), "{line}\n{answer}\n{}", String::from_utf8_lossy(&output.stderr));
        asked += 1;
    }
    assert!(asked > 8, "{lines:?}");
}

/// A recipe is asked of `ifmatch check`, which resolves the same options and opens nothing to other machines.
#[test]
fn every_recipe_would_start_a_server() {
    let folder = sample_site();
    let mut servers = 0;
    for line in commands("Recipes") {
        let (line, input) = match line.strip_prefix("ifmatch hash-password ") {
            Some(rest) => {
                (format!("ifmatch hash-password {rest}"), "printf 'correct horse\\ncorrect horse\\n' | ")
            }
            None => {
                servers += 1;
                (line.replacen("ifmatch ", "ifmatch check ", 1), "")
            }
        };
        let output = bash(&folder, &format!("{input}{line}"));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(servers, 5);
}

/// The targets of the Markdown links in a text, without what stands in code.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let after = prose.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> =
        docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.extend(["README.md", "CONTRIBUTING.md"].map(|name| repository().join(name)));
    pages
}

#[test]
fn every_link_between_documents_leads_to_a_file() {
    let mut followed = 0;
    for page in pages() {
        for link in links(&text(&page)) {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = page.parent().unwrap().join(target);
            assert!(file.exists(), "{}: {link}", page.display());
            followed += 1;
        }
    }
    assert!(followed > 30, "{followed}");
}

#[test]
fn the_table_of_contents_names_every_page() {
    let contents = repository().join("docs/README.md");
    let named = links(&text(&contents));
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        if page.parent() == contents.parent() && page != contents {
            assert!(named.contains(&name), "{name} is not in docs/README.md");
        }
    }
}

#[test]
fn the_readme_is_read_in_five_minutes() {
    let readme = text(&repository().join("README.md"));
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
}
