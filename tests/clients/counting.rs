//! The loops of curl, PHP and Python, which read, change, and save if nobody else has: many at once, on one file.

use std::ffi::OsStr;
use std::process::Stdio;

use crate::programs::{example, logged, need, need_part, serving, told};

const LOOPS: [&str; 3] = ["curl-update-loop.sh", "php-update-loop.php", "requests-update-loop.py"];

/// How many of each kind run at once, and how often each of them counts.
const EACH: usize = 3;
const TIMES: usize = 20;

#[test]
fn several_clients_of_three_kinds_count_at_once_and_no_count_is_lost() {
    need("curl", "curl");
    need("php", "php-cli");
    need_part(&["php", "-r", "exit(function_exists('curl_init') ? 0 : 1);"], "php-curl");
    need_part(&["/usr/bin/python3", "-c", "import requests"], "python3-requests");
    let mut server = serving();
    let times = TIMES.to_string();
    let mut running = Vec::new();
    for name in LOOPS.into_iter().cycle().take(LOOPS.len() * EACH) {
        let mut command = example(&server, name, &[OsStr::new(&times)]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        running.push((name, command.spawn().unwrap()));
    }
    for (name, client) in running {
        assert_eq!(told(client.wait_with_output().unwrap(), name), format!("added {TIMES}\n"), "{name}");
    }
    assert_eq!(server.get("/counter.txt").text(), format!("{}\n", LOOPS.len() * EACH * TIMES));
    // Otherwise they have not met, and nothing was shown.
    assert!(logged(&server, "PUT", "/counter.txt", 412) > 0);
    server.assert_well();
}
