//! What hostile or broken clients send, or put into the folder. After each of these the server answers an ordinary request as
//! before. Every kind of attack that other servers fell to has its row here, with the tests that hold it:
//!
//! | attack | held by |
//! |---|---|
//! | request smuggling: two lengths, a length and chunks, other codings, lines ended by LF alone, a request behind or in a refused body | `attacks/framing::no_request_is_smuggled_in_a_body`, `attacks/framing::a_refused_body_is_not_taken_for_a_request`, `uploads::nothing_is_smuggled_in_an_upload`, `uploads::the_body_of_a_refused_upload_is_not_taken_for_a_request`, `upload_bodies::what_is_broken_in_a_chunk_is_no_end` |
//! | paths that lead out: dot segments, encoded once and twice, backslashes, overlong UTF-8, NUL, a whole URI, `//host` | `confinement::no_path_leads_out_of_the_root`, `resolution::what_no_path_can_spell_is_refused`, `resolution::dot_segments_are_removed_and_the_path_that_is_left_is_served`, `resolution::a_target_that_is_not_percent_encoded_means_its_encoded_form` |
//! | the same for PUT and DELETE | `write_paths::no_write_leads_out_of_the_root`, `write_paths::one_file_has_one_place_however_it_is_spelled` |
//! | another root: missing at start, removed or replaced meanwhile | `startup::a_folder_that_cannot_be_served_is_named`, `confinement::a_root_that_was_removed_is_unavailable`, `confinement::a_root_that_was_replaced_never_mixes_old_and_new`, `write_failures::a_root_that_is_gone_is_503_and_nothing_is_written_where_it_was` |
//! | parsers that panic: paths, ranges, conditions, any field | `fuzz::random_requests_are_all_answered`, `fuzz::random_pipelined_requests_are_all_answered_in_step`, `attacks/framing::a_malformed_head_is_refused`, `limits::what_is_no_request_is_told_so_and_logged` |
//! | bombs of ranges, also with HEAD | `attacks/levers::ranges_are_no_lever`, `ranges::too_many_or_overlapping_ranges_are_answered_with_the_whole`, `ranges::head_ignores_a_range` |
//! | symbolic links out of the folder: file, folder, dangling, index, error page, exchanged in between, written through | `confinement::links_within_the_root_are_followed_and_others_are_not`, `confinement::with_deny_no_link_is_followed`, `confinement::an_error_page_or_a_fallback_is_no_way_out`, `confinement::a_link_swapped_in_between_check_and_open_reveals_nothing`, `confinement::a_listing_does_not_tell_what_lies_behind_an_escaping_link`, `replacing::no_write_follows_a_link_that_leads_nowhere_or_out`, `replacing::a_folder_that_is_exchanged_for_a_link_lets_no_write_out` |
//! | rules that another spelling of the path goes around | `accounts::the_path_that_is_judged_is_the_path_that_is_opened`, `attacks/spelling::no_spelling_goes_around_an_account` |
//! | scripts in names of files | `listing::no_name_becomes_markup`, `resolution::an_error_page_repeats_nothing_unescaped`, `resolution::a_folder_whose_name_breaks_lines_injects_no_field` |
//! | scripts in uploaded pages | `attacks/injection::an_uploaded_page_is_what_its_name_says_and_can_be_put_into_a_sandbox`, `headers::the_preset_makes_browsers_careful_and_can_be_changed`, `upload_bodies::the_media_type_of_an_upload_is_told_by_its_name` |
//! | redirects to another host, lines injected into fields and logs | `attacks/injection::a_redirect_never_leads_to_another_host`, `attacks/injection::no_request_writes_its_own_log_lines` |
//! | writes by web pages of other sites, names that are bound to this machine anew | `origin_guard::pages_of_other_sites_do_not_write`, `origin_guard::on_loopback_only_names_of_this_machine_are_written_to`, `origin_guard::no_other_site_is_told_that_it_may_write` |
//! | who has an account: told by the time that a wrong password takes | `attacks/spelling::a_name_that_nobody_has_costs_as_much_as_another`, `accounts::a_refusal_tells_nothing_of_what_is_there` |
//! | guessing passwords, also as a load | `accounts::wrong_passwords_by_the_hundred_keep_nobody_from_reading` |
//! | tags that tell more than they should: inodes, or what may not be read | `validators::the_tag_is_xxh3_128_in_base64url`, `validators::the_same_bytes_have_the_same_tag_after_a_restart_and_on_another_server`, `accounts::a_refusal_tells_nothing_of_what_is_there` |
//! | slow and many clients: heads, bodies, readers, silence, handshakes | `attacks/slow::slow_heads_hold_up_nobody`, `attacks/slow::many_idle_connections_hold_up_nobody`, `limits::a_head_has_as_long_as_is_said`, `limits::the_body_of_an_upload_may_pause_as_long_as_is_said`, `limits::who_takes_nothing_of_an_answer_is_given_up_after_as_long_as_is_said`, `limits::an_address_has_as_many_connections_as_is_said`, `limits::more_connections_than_there_may_be_wait_until_one_ends`, `tls::a_handshake_has_as_long_as_is_said` |
//! | large heads | `attacks/levers::a_large_head_is_served_or_refused_but_does_no_harm`, `limits::a_head_is_as_large_as_is_said`, `http2::a_head_of_http2_is_as_large_as_is_said` |
//! | floods of HTTP/2: streams reset at once, frames that ask nothing | `http2::streams_that_are_reset_at_once_end_the_connection_soon`, `http2::frames_that_ask_nothing_use_nothing_up` |
//! | hashing as a lever: a large file that is touched all the time, asked for by many | `attacks/levers::touching_a_large_file_all_the_time_is_no_lever`, `validators::many_gets_of_a_cold_large_file_read_it_once` |
//! | uploads that are not complete: read, listed, written or deleted by their own names | `attacks/spelling::an_upload_on_its_way_is_nowhere_to_be_seen`, `resolution::reserved_names_are_never_served`, `write_paths::hidden_and_reserved_names_are_not_written`, `listing::hidden_and_reserved_names_are_not_listed`, `upload_deaths::what_a_dead_server_left_is_never_served_and_is_swept` |
//! | special files: FIFO, socket, device | `confinement::what_is_no_file_is_not_found_and_blocks_nobody`, `replacing::what_is_no_file_is_not_replaced` |
//! | one request or file that ends or freezes a server | `attacks/survival::after_what_has_ended_other_servers_an_ordinary_request_is_answered`, `bodies::a_file_truncated_while_it_is_sent_is_cut_off`, `validators::a_time_that_means_nothing_is_left_out` |
//! | the root and folders as targets of PUT and DELETE | `write_paths::the_root_and_folders_are_not_written_or_deleted` |
//! | answers out of step: behind HEAD, 304, 412, 416, a refused PUT | `attacks/framing::answers_stay_in_step_with_pipelined_requests`, `attacks/framing::a_head_behind_a_get_takes_nothing_from_its_body`, `uploads::requests_behind_an_upload_are_answered_in_turn`, `express::pipelined_requests_are_answered_in_their_order` |

mod framing;
mod injection;
mod levers;
mod slow;
mod spelling;
mod survival;

use crate::harness::Server;

fn served() -> Server {
    let server = Server::start();
    server.folder().write("file", "harmless");
    server.folder().write("smuggled", "SMUGGLED-CONTENT");
    server
}

/// What the server sends for these bytes until it closes the connection; the client closes its side at once.
fn raw_answer(server: &Server, bytes: impl AsRef<[u8]>) -> String {
    let mut client = server.connect();
    // The server may refuse, and close, before everything is sent.
    let _ = client.try_send(bytes);
    client.finish_sending();
    String::from_utf8_lossy(&client.read_to_end()).into_owned()
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|rest| rest.get(..3).unwrap_or(rest)).collect()
}

#[test]
fn every_row_of_the_table_names_tests_that_exist() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let text = include_str!("attacks.rs");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("//! | ")).skip(1).collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in rows {
        let names: Vec<&str> = row.split('`').filter(|part| part.contains("::")).collect();
        assert!(!names.is_empty(), "nobody holds\n{row}");
        for name in names {
            let (file, test) = name.split_once("::").unwrap();
            let source = std::fs::read_to_string(tests.join(format!("{file}.rs"))).unwrap();
            assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "{name} is no test");
        }
    }
}
