//! What problems tell, and how they look.

use super::*;

fn detail(problem: &Problem) -> &str {
    &problem.detail
}

#[test]
fn one_of_something_is_singular() {
    assert!(detail(&Problem::too_early(Duration::ZERO)).ends_with("Try again in 1 second."));
    assert!(detail(&Problem::too_early(Duration::from_secs(1))).ends_with("Try again in 2 seconds."));
    assert!(detail(&Problem::range_not_satisfiable(1)).ends_with("there is 1 byte."));
    assert!(detail(&Problem::range_not_satisfiable(0)).ends_with("there are 0 bytes."));
}

#[test]
fn a_page_has_no_markup_but_its_own() {
    let page = Problem::not_found("/<script>alert(1)</script>\"'&").page("/x");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"), "{page}");
    assert!(!page.contains("<script"), "{page}");
}
