//! The types of the most common extensions, and what the bytes have to say.

use super::*;

fn of(name: &str, text: Text) -> (String, Option<HeaderValue>) {
    let MediaType { value, coding } = MediaType::of(name, text);
    (value.to_str().unwrap().to_owned(), coding)
}

/// What is served of the packages of Debian and npm, by extension, most frequent first: text.
const COMMON_TEXT: [(&str, &str); 24] = [
    ("text/html; charset=utf-8", "html htm"),
    ("text/css; charset=utf-8", "css"),
    ("text/javascript; charset=utf-8", "js mjs cjs jsx"),
    ("text/markdown; charset=utf-8", "md markdown"),
    ("text/csv; charset=utf-8", "csv"),
    ("text/tab-separated-values; charset=utf-8", "tsv"),
    ("text/vtt; charset=utf-8", "vtt"),
    ("text/calendar; charset=utf-8", "ics"),
    ("text/vcard; charset=utf-8", "vcf"),
    ("text/cache-manifest; charset=utf-8", "appcache manifest"),
    ("text/wgsl; charset=utf-8", "wgsl"),
    ("application/json", "json map"),
    ("application/manifest+json", "webmanifest"),
    ("application/ld+json", "jsonld"),
    ("application/geo+json", "geojson"),
    ("model/gltf+json", "gltf"),
    ("application/yaml", "yaml yml"),
    ("application/toml", "toml"),
    ("application/sql", "sql"),
    ("text/xml", "xml xsl xsd"),
    ("application/xml-dtd", "dtd"),
    ("image/svg+xml", "svg"),
    ("application/rss+xml", "rss"),
    ("application/xhtml+xml", "xhtml"),
];

/// The same for what is plain text to a browser: source code, settings, and documents without a type of their own.
const COMMON_PLAIN_TEXT: &str = "txt text log conf cfg ini in list diff patch rst py pyi rs go rb java c h cc cpp hpp cs kt swift scala \
    clj ex exs erl hs lua pl pm r jl ml mli m mm f90 vb s asm sh bash fish csh tcl ps1 bat cmd awk sed vim el scm ts mts cts tsx \
    vue svelte astro flow scss sass less coffee styl glsl vert frag proto graphql jsonc jsonl ndjson topojson lock mod sum gradle groovy nim \
    zig nix tf hcl org dot po pot pub key msg t x d man me ms mk cmake m4 am ac in pc la spec control install dirs docs triggers \
    symbols shlibs md5sums conffiles preinst postinst prerm postrm templates copyright changelog service socket timer target mount \
    desktop rules hwdb properties config tmpl sample example orig rej snap tsbuildinfo npmignore editorconfig env license pod \
    bib tex adoc asciidoc textile wiki readme nfo ass puml plantuml bnf vhd";

/// The same for what is no text.
const COMMON_BINARY: [(&str, &str); 56] = [
    ("image/png", "png"),
    ("image/jpeg", "jpg jpeg jfif pjpeg pjp"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/avif", "avif"),
    ("image/jxl", "jxl"),
    ("image/heic", "heic"),
    ("image/heif", "heif"),
    ("image/apng", "apng"),
    ("image/bmp", "bmp"),
    ("image/tiff", "tif tiff"),
    ("image/x-icon", "ico cur"),
    ("image/ktx2", "ktx2"),
    ("image/vnd.adobe.photoshop", "psd"),
    ("image/aces", "exr"),
    ("font/woff2", "woff2"),
    ("font/woff", "woff"),
    ("font/ttf", "ttf"),
    ("font/otf", "otf"),
    ("font/collection", "ttc"),
    ("application/vnd.ms-fontobject", "eot"),
    ("application/wasm", "wasm"),
    ("application/pdf", "pdf"),
    ("application/zip", "zip"),
    ("application/gzip", "gz tgz"),
    ("application/zstd", "zst"),
    ("application/x-xz", "xz txz"),
    ("application/x-bzip2", "bz2 tbz2"),
    ("application/x-tar", "tar"),
    ("application/vnd.rar", "rar"),
    ("application/x-7z-compressed", "7z"),
    ("application/vnd.debian.binary-package", "deb udeb"),
    ("application/x-redhat-package-manager", "rpm"),
    ("application/java-archive", "jar war"),
    ("application/vnd.android.package-archive", "apk"),
    ("application/epub+zip", "epub"),
    ("application/vnd.sqlite3", "sqlite sqlite3"),
    ("application/cbor", "cbor"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("audio/aac", "aac"),
    ("audio/flac", "flac"),
    ("audio/ogg", "ogg oga opus"),
    ("audio/wav", "wav"),
    ("audio/midi", "mid midi"),
    ("audio/webm", "weba"),
    ("video/mp4", "mp4 m4v"),
    ("video/webm", "webm"),
    ("video/ogg", "ogv"),
    ("video/quicktime", "mov"),
    ("video/x-matroska", "mkv"),
    ("video/mp2t", "ts mts m2ts"),
    ("video/iso.segment", "m4s"),
    ("application/vnd.apple.mpegurl", "m3u8"),
    ("model/gltf-binary", "glb"),
    ("model/vnd.usdz+zip", "usdz"),
];

/// The same for what nobody knows.
const COMMON_UNKNOWN: &str = "mo pyc pyo a o so exe bin dat data db node pck rlib rmeta crate whl gem jmod typelib bc dfa pickle \
    gpg iso img dmg qcow2 lz4 br bcmap drc pfb java go rst README";

#[test]
fn the_table_is_sorted_and_has_nothing_that_mime_guess_knows_as_well() {
    assert!(TABLE.is_sorted_by_key(|(extension, _)| extension));
    for (extension, known) in TABLE {
        let guess = mime_guess::from_ext(extension).first_raw();
        match known {
            Is(media_type) => assert_ne!(guess, Some(media_type), "{extension}"),
            UnlessText(OCTET_STREAM) => {
                assert!(guess.is_some_and(|guess| guess != OCTET_STREAM), "{extension}")
            }
            UnlessText(_) | Encoded(..) => {}
        }
    }
}

#[test]
fn the_common_extensions_have_the_types_that_are_registered_or_that_browsers_expect() {
    let typed = |list: &[(&'static str, &'static str)], text| {
        let list = list.iter().map(move |(expected, extensions)| (*expected, *extensions, text));
        list.collect::<Vec<_>>()
    };
    let all = [
        typed(&COMMON_TEXT, Text::Plain),
        typed(&COMMON_BINARY, Text::Other),
        typed(&[("text/plain; charset=utf-8", COMMON_PLAIN_TEXT)], Text::Plain),
        typed(&[(OCTET_STREAM, COMMON_UNKNOWN)], Text::Other),
    ]
    .concat();
    let (mut count, mut wrong) = (0, Vec::new());
    for (expected, extensions, text) in all {
        for extension in extensions.split_whitespace() {
            let found = of(&format!("a.{extension}"), text);
            count += 1;
            if found != (expected.to_owned(), None) {
                wrong.push((extension, found, expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 200, "{count}");
}

#[test]
fn text_without_an_extension_is_plain_text_and_never_something_that_runs() {
    for name in ["README", "LICENSE", "Makefile", ".bashrc", "odd.zzzz", "a.", "page.html.bak"] {
        assert_eq!(of(name, Text::Plain).0, "text/plain; charset=utf-8", "{name}");
        for text in [Text::WithControls, Text::Other] {
            assert_eq!(of(name, text).0, OCTET_STREAM, "{name}");
        }
    }
}

#[test]
fn utf_8_is_said_of_utf_8_only_and_never_of_xml() {
    for (name, utf_8, other) in [
        ("a.html", "text/html; charset=utf-8", "text/html"),
        ("a.HTML", "text/html; charset=utf-8", "text/html"),
        ("a.txt", "text/plain; charset=utf-8", "text/plain"),
        ("a.js", "text/javascript; charset=utf-8", "text/javascript"),
        ("a.xml", "text/xml", "text/xml"),
        ("a.svg", "image/svg+xml", "image/svg+xml"),
        ("a.xhtml", "application/xhtml+xml", "application/xhtml+xml"),
        ("a.json", "application/json", "application/json"),
        ("a.png", "image/png", "image/png"),
    ] {
        for (text, expected) in [(Text::Plain, utf_8), (Text::WithControls, utf_8), (Text::Other, other)] {
            assert_eq!(of(name, text).0, expected, "{name} {text:?}");
        }
        assert_eq!(depends_on_bytes(name), utf_8 != other, "{name}");
    }
    assert!(depends_on_bytes("README") && depends_on_bytes("film.ts"));
}

#[test]
fn a_file_that_is_stored_encoded_says_so() {
    let gzip = Some(HeaderValue::from_static("gzip"));
    assert_eq!(of("logo.svgz", Text::Other), ("image/svg+xml".to_owned(), gzip));
    for archive in ["a.tar.gz", "a.svg.gz", "a.gz"] {
        assert_eq!(of(archive, Text::Other), ("application/gzip".to_owned(), None), "{archive}");
    }
}
