//! Hints for people who come from another server: what they typed, and how it is said here.

use std::ffi::OsString;

use clap::error::{ContextKind, ErrorKind};

/// Options of other servers, and what to do here instead.
const OPTIONS: [(&[&str], &str); 17] = [
    (
        &[
            "--root",
            "--dir",
            "--directory",
            "--folder",
            "--path",
            "--public",
            "--docroot",
            "--webroot",
            "-d",
            "-r",
        ],
        "name the folder without a flag: ifmatch FOLDER",
    ),
    (
        &["--listen", "--addr", "--ip", "--interface", "--interfaces", "-i", "-l"],
        "name the address with --bind ADDRESS and the port with --port PORT",
    ),
    (
        &[
            "--cert",
            "--certificate",
            "--ssl-cert",
            "--tls-certificate",
            "--certfile",
            "--key",
            "--ssl-key",
            "--keyfile",
            "--ssl",
            "--https",
            "--tls",
            "-S",
            "-K",
            "-C",
        ],
        "for HTTPS name a certificate and its key with --tls-cert FILE --tls-key FILE",
    ),
    (
        &["--log-file", "--log", "--logfile", "--access-log", "--error-log"],
        "the log goes to standard error, with a line for each request with -v: ifmatch -v 2>>FILE",
    ),
    (
        &["--readonly", "--read-only", "--ro"],
        "nothing is written unless --allow-upload, --allow-delete or -A is given, so leave it out",
    ),
    (
        &[
            "--upload",
            "--uploads",
            "--upload-files",
            "--writable",
            "--write",
            "--allow-write",
            "--put",
            "-u",
            "-w",
        ],
        "allow writing with --allow-upload (PUT), --allow-delete (DELETE) or -A (both)",
    ),
    (
        &["--open", "--browser", "--open-browser", "-o"],
        "ifmatch opens no browser; open the address that it prints at start",
    ),
    (
        &["--username", "--password", "--user-pass", "--basic-auth", "--htpasswd", "--credentials"],
        "make an account with `ifmatch hash-password NAME`, and put it into a file for --auth-file FILE",
    ),
    (
        &["--dotfiles", "--all", "--show-hidden", "-H", "--include-hidden"],
        "names that begin with a dot are served with --hidden",
    ),
    (
        &["--no-index", "--no-dirlist", "--no-directory-listing", "--no-dir-listing", "--disable-listing"],
        "listings of folders are turned off with --no-listing",
    ),
    (
        &["--no-cache", "--cache", "--max-age", "-c-1"],
        "browsers ask every time unless --cache-control says otherwise: --cache-control max-age=3600",
    ),
    (
        &["--gzip", "--brotli", "--compress", "--compression", "-g"],
        "files are sent as they are; for compression put a proxy in front (docs/behind-a-proxy.md)",
    ),
    (&["--header-file", "--headers", "--add-header"], "add a field with --header 'NAME: VALUE'"),
    (
        &["--threads", "--workers", "--jobs", "-t", "-j"],
        "there are as many workers as processors; --max-connections limits how many clients are served",
    ),
    (
        &["--daemon", "--background", "--detach", "--fork"],
        "start it with systemd (deploy/ifmatch.service), or with & in a shell",
    ),
    (&["--debug", "--trace"], "the log tells more with -v, -vv and -vvv"),
    (&["--silent"], "only errors are logged with --quiet"),
];

/// What other servers call the command that serves.
const VERBS: [&str; 7] = ["serve", "server", "start", "run", "http", "up", "http.server"];

/// Returns a hint in place of `error`, as a sentence, if what was typed is understood all the same. `commands` are those there are.
pub(super) fn instead_of(error: &clap::Error, arguments: &[OsString], commands: &[String]) -> Option<String> {
    let said = |kind| error.get(kind).map(ToString::to_string);
    let typed = match error.kind() {
        ErrorKind::UnknownArgument => said(ContextKind::InvalidArg)?,
        // clap takes a second name for a command.
        ErrorKind::ArgumentConflict => said(ContextKind::InvalidSubcommand)?,
        _ => return None,
    };
    let name = typed.split('=').next().unwrap_or_default();
    if name.starts_with('-') {
        let (_, hint) = OPTIONS.iter().find(|(names, _)| names.contains(&name))?;
        return Some(format!("there is no option {name}: {hint}"));
    }
    let before = arguments.iter().skip(1).map_while(|argument| argument.to_str().filter(|it| *it != typed));
    let mut names = before.clone().chain([typed.as_str()]);
    if let Some(command) = names.find(|name| commands.iter().any(|command| command == name)) {
        return Some(format!("the options of a command stand behind it: ifmatch {command} [OPTIONS]"));
    }
    Some(match before.into_iter().find(|argument| VERBS.contains(argument)) {
        Some(verb) => {
            let instead = if typed.parse::<u16>().is_ok() { "--port " } else { "" };
            format!("there is no command {verb}, and none is needed: ifmatch {instead}{typed}")
        }
        None if typed.parse::<u16>().is_ok() => {
            format!(
                "only one folder is served, and {typed} is a second name; to listen at that port, say --port {typed}"
            )
        }
        None => format!(
            "only one folder is served, and {typed:?} is a second name: start ifmatch once for each, with another --port, \
             or serve the folder that holds them"
        ),
    })
}
