//! How long the pure parts of a request take: preconditions, lists of entity tags, ranges, dates and paths, each with
//! what clients send, with much of it, and with what somebody sends who wants to cost time.
//!
//!     cargo bench --bench pure [-- NAME]
//!
//! Nothing here touches a file or a socket. That each input means what its name says is checked before it is timed.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use ifmatch::resource_path::{Dotfiles, ResourcePath};
use ifmatch::semantics::Field;
use ifmatch::semantics::entity_tag::{EntityTag, EntityTagList};
use ifmatch::semantics::http_date::HttpDate;
use ifmatch::semantics::preconditions::{MethodClass, PreconditionField, Preconditions, Verdict};
use ifmatch::semantics::range::{ByteRangeSet, Selection};
use ifmatch::semantics::validators::Validators;

/// Tag and date of the current representation; the tag is as long as those the server makes.
const CURRENT: &str = "\"mS0fXpW7gcvSvrvMvgkAKQ\"";
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// The most bytes that a field gets here: about what a server with a limit on heads lets in.
const LONGEST: usize = 16 << 10;

fn main() {
    divan::main();
}

/// One input, under the name it has in the table of results.
struct Input {
    name: &'static str,
    text: String,
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn input(name: &'static str, text: impl Into<String>) -> Input {
    Input { name, text: text.into() }
}

/// So many tags, none of which is the current one.
fn tags(count: usize) -> String {
    let tags: Vec<String> = (0..count).map(|number| format!("\"0000000000000000000{number:03}\"")).collect();
    tags.join(", ")
}

fn list(text: &str) -> Field<EntityTagList<'_>> {
    EntityTagList::parse([text.as_bytes()])
}

fn date(text: &str) -> Option<HttpDate> {
    HttpDate::parse(text.as_bytes())
}

mod evaluate {
    use super::*;

    fn bench(bencher: Bencher<'_, '_>, method: MethodClass, given: &Preconditions<'_>, expected: Verdict) {
        let entity_tag = EntityTag::parse(CURRENT.as_bytes()).map(EntityTag::into_owned).ok();
        let current = Validators { entity_tag, last_modified: date(MODIFIED) };
        assert_eq!(given.evaluate(method, Some(&current)), expected);
        bencher.bench(|| black_box(given).evaluate(black_box(method), Some(black_box(&current))));
    }

    #[divan::bench]
    fn nothing_asked(bencher: Bencher<'_, '_>) {
        bench(bencher, MethodClass::Read, &Preconditions::default(), Verdict::Perform);
    }

    #[divan::bench]
    fn if_none_match_hit(bencher: Bencher<'_, '_>) {
        let given = Preconditions { if_none_match: list(CURRENT), ..Preconditions::default() };
        bench(bencher, MethodClass::Read, &given, Verdict::NotModified);
    }

    #[divan::bench]
    fn if_none_match_misses_20_tags(bencher: Bencher<'_, '_>) {
        let tags = tags(20);
        let given = Preconditions { if_none_match: list(&tags), ..Preconditions::default() };
        bench(bencher, MethodClass::Read, &given, Verdict::Perform);
    }

    #[divan::bench]
    fn if_match_hit(bencher: Bencher<'_, '_>) {
        let given = Preconditions { if_match: list(CURRENT), ..Preconditions::default() };
        bench(bencher, MethodClass::Write, &given, Verdict::Perform);
    }

    #[divan::bench]
    fn if_match_misses_20_tags(bencher: Bencher<'_, '_>) {
        let tags = tags(20);
        let given = Preconditions { if_match: list(&tags), ..Preconditions::default() };
        bench(bencher, MethodClass::Write, &given, Verdict::Failed(PreconditionField::IfMatch));
    }

    #[divan::bench]
    fn if_modified_since(bencher: Bencher<'_, '_>) {
        let given = Preconditions { if_modified_since: date(MODIFIED), ..Preconditions::default() };
        bench(bencher, MethodClass::Read, &given, Verdict::NotModified);
    }

    #[divan::bench]
    fn if_unmodified_since(bencher: Bencher<'_, '_>) {
        let given = Preconditions { if_unmodified_since: date(MODIFIED), ..Preconditions::default() };
        bench(bencher, MethodClass::Write, &given, Verdict::Perform);
    }
}

fn tag_lists() -> [Input; 6] {
    [
        input("one_tag", CURRENT),
        input("100_tags", tags(100)),
        input("any", "*"),
        // Every byte is looked at once, whatever it is.
        input("hostile_commas", ",".repeat(LONGEST)),
        input("hostile_empty_tags", "\"\",".repeat(LONGEST / 3)),
        input("hostile_never_closed", format!("\"{}", "a".repeat(LONGEST))),
    ]
}

#[divan::bench(args = tag_lists())]
fn parse_tag_list(bencher: Bencher<'_, '_>, input: &Input) {
    let readable = matches!(list(&input.text), Field::Present(_));
    assert_eq!(readable, !matches!(input.name, "hostile_commas" | "hostile_never_closed"), "{input}");
    let length = BytesCount::of_str(&input.text);
    bencher.counter(length).bench(|| list(black_box(&input.text)));
}

fn ranges() -> [Input; 5] {
    let many = (0..64).map(|part| format!("{}-{}", part * 1000, part * 1000 + 99)).collect::<Vec<_>>();
    [
        input("one", "bytes=0-1023"),
        input("suffix", "bytes=-500"),
        input("64", format!("bytes={}", many.join(", "))),
        input("hostile_thousands", format!("bytes={}", "0-,".repeat(LONGEST / 3))),
        input("hostile_digits", format!("bytes=0-{}", "9".repeat(LONGEST))),
    ]
}

#[divan::bench(args = ranges())]
fn select_ranges(bencher: Bencher<'_, '_>, input: &Input) {
    let select = |text: &str| Some(ByteRangeSet::parse(text.as_bytes())?.select(black_box(100_000)));
    let whole = select(&input.text) == Some(Selection::Whole);
    assert_eq!(whole, input.name == "hostile_thousands", "{input}");
    let length = BytesCount::of_str(&input.text);
    bencher.counter(length).bench(|| select(black_box(&input.text)));
}

fn paths() -> [Input; 9] {
    [
        input("root", "/"),
        input("short", "/index.html"),
        input("8_segments", "/assets/2026/11/images/icons/dark/large/arrow-left.svg"),
        input("percent_encoded", "/caf%C3%A9/%E6%97%A5%E6%9C%AC%E8%AA%9E/a%20b%20c.txt"),
        input("dot_segments", "/dists/./stable/main/../../stable/Release"),
        input("hostile_dots", "/a/..".repeat(LONGEST / 5)),
        input("hostile_encoded_dots", "/a/%2e%2E".repeat(LONGEST / 9)),
        input("hostile_climb", "/a/..".repeat(LONGEST / 5) + "/.."),
        input("hostile_segments", "/%61".repeat(LONGEST / 4)),
    ]
}

#[divan::bench(args = paths())]
fn parse_path(bencher: Bencher<'_, '_>, input: &Input) {
    let parsed = ResourcePath::parse(&input.text, Dotfiles::Hidden);
    assert_eq!(parsed.is_err(), matches!(input.name, "hostile_climb" | "hostile_segments"), "{input}");
    let length = BytesCount::of_str(&input.text);
    bencher.counter(length).bench(|| ResourcePath::parse(black_box(&input.text), Dotfiles::Hidden));
}

/// Rules as a site may have them, and paths in the worst form that is let in.
mod rules {
    use ifmatch::resource_path::pattern::{Match, PathPattern, PathPatterns};
    use ifmatch::resource_path::{DEEPEST_PATH, LONGEST_PATH};

    use super::*;

    const RULES: [&str; 8] = [
        "/drafts/**",
        "*.html",
        "/assets/**",
        "/docs/*.pdf",
        "**/private/**",
        "*.{js,css,map}",
        ".git",
        "/inbox/*.txt",
    ];

    fn paths() -> [Input; 4] {
        let segment = "x".repeat(LONGEST_PATH / DEEPEST_PATH - 1);
        [
            input("short", "index.html"),
            input("8_segments", "assets/2026/11/images/icons/dark/large/arrow-left.svg"),
            input("hostile_depth", vec![segment.as_str(); DEEPEST_PATH].join("/")),
            input("hostile_almost", "private".repeat(LONGEST_PATH / 7)),
        ]
    }

    fn patterns() -> Vec<PathPattern> {
        RULES.iter().filter_map(|text| PathPattern::parse(text).ok()).collect()
    }

    fn path(input: &Input) -> ResourcePath<'_> {
        ResourcePath::from_names(&input.text, Dotfiles::Served).unwrap_or(ResourcePath::ROOT)
    }

    /// As the server asks.
    #[divan::bench(args = paths())]
    fn together(bencher: Bencher<'_, '_>, input: &Input) {
        let (patterns, path) = (PathPatterns::new(&patterns()), path(input));
        assert_eq!(patterns.of(&path).contains(&Match::Path), !input.name.starts_with("hostile"), "{input}");
        bencher.counter(BytesCount::of_str(&input.text)).bench(|| patterns.of(black_box(&path)));
    }

    /// Each pattern and each folder on its own, for comparison: that grows with the square of the length.
    #[divan::bench(args = paths())]
    fn one_by_one(bencher: Bencher<'_, '_>, input: &Input) {
        let (patterns, path) = (patterns(), path(input));
        let ends = || path.as_str().match_indices('/').map(|(end, _)| end).chain([path.as_str().len()]);
        let about = |pattern: &PathPattern| ends().any(|end| pattern.matches(&path.ancestor(end)));
        bencher
            .counter(BytesCount::of_str(&input.text))
            .bench(|| patterns.iter().filter(|pattern| about(black_box(pattern))).count());
    }
}

fn dates() -> [Input; 5] {
    [
        input("imf_fixdate", MODIFIED),
        input("rfc_850", "Sunday, 06-Nov-94 08:49:37 GMT"),
        input("asctime", "Sun Nov  6 08:49:37 1994"),
        input("before_the_epoch", "Mon, 01 Jan 0001 00:00:00 GMT"),
        input("hostile_length", "Sun, 06 Nov 1994 ".repeat(LONGEST / 17)),
    ]
}

#[divan::bench(args = dates())]
fn parse_date(bencher: Bencher<'_, '_>, input: &Input) {
    assert_eq!(date(&input.text).is_none(), input.name == "hostile_length", "{input}");
    bencher.bench(|| date(black_box(&input.text)));
}

#[divan::bench]
fn format_date(bencher: Bencher<'_, '_>) {
    let date = date(MODIFIED).unwrap_or(HttpDate::EPOCH);
    assert_eq!(date.to_string(), MODIFIED);
    bencher.bench(|| black_box(date).to_string());
}
