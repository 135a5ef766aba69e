//! What every page made by the server needs: the same look, safe text, and a policy that lets it do nothing.

/// What a generated page may do: nothing but show its own style.
pub(in crate::http) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The look of every page: light or dark as the browser is set, and no word so long that it widens the page.
const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;\
max-width:60rem;padding:0 1rem;overflow-wrap:anywhere}h1{line-height:1.2}";

/// Begins a page with the heading `title`. `style` comes behind what all pages have in common.
pub(in crate::http) fn begin_page(title: &str, style: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}{style}</style></head><body><h1>{title}</h1>\n"
    )
}

/// Ends a page.
pub(in crate::http) const END_OF_PAGE: &str = "</body></html>\n";

/// Text made safe for HTML, in elements and in quoted attributes.
pub(in crate::http) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
