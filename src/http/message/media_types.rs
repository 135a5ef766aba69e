//! `Content-Type` and `Content-Encoding` of files: by the extension, and, where that says too little, by what the bytes are.
//!
//! The bytes decide two things only: whether an unknown file is plain text, and whether text is UTF-8. Nothing is ever taken for a type
//! that a browser would run or render (HTML, SVG, XML, scripts) because of its bytes.

use std::path::Path;

use actix_web::http::header::HeaderValue;

use crate::validator_store::text::Text;

const OCTET_STREAM: &str = "application/octet-stream";
const PLAIN_TEXT: &str = "text/plain";

/// What a file is sent as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct MediaType {
    /// `Content-Type`.
    pub(in crate::http) value: HeaderValue,
    /// `Content-Encoding`, of a file that is stored encoded.
    pub(in crate::http) coding: Option<HeaderValue>,
}

/// What an extension tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// A type.
    Is(&'static str),
    /// A type for what is no text. Text with this extension is something else, source code mostly.
    UnlessText(&'static str),
    /// A type, and the content coding that such files have.
    Encoded(&'static str, &'static str),
}

use Known::{Encoded, Is, UnlessText};

/// What `mime_guess` does not know, or knows as something else than the registry of IANA, or as something that browsers do not
/// take. Sorted by extension.
const TABLE: [(&str, Known); 99] = [
    ("3mf", Is("model/3mf")),
    ("aab", Is(OCTET_STREAM)),
    ("ac", UnlessText("application/pkix-attr-cert")),
    ("appinstaller", Is("application/appinstaller")),
    ("appx", Is("application/appx")),
    ("appxbundle", Is("application/appxbundle")),
    ("arrow", Is("application/vnd.apache.arrow.file")),
    ("azw3", Is("application/vnd.amazon.mobi8-ebook")),
    ("bat", UnlessText("application/x-msdownload")),
    ("cab", Is("application/vnd.ms-cab-compressed")),
    ("cbor", Is("application/cbor")),
    ("cer", Is("application/pkix-cert")),
    // Registered as application/node, which no browser runs. Bundles for `<script>` have this extension, too.
    ("cjs", Is("text/javascript")),
    ("coffee", UnlessText(OCTET_STREAM)),
    ("config", UnlessText(OCTET_STREAM)),
    ("csh", UnlessText("application/x-csh")),
    ("cur", Is("image/x-icon")),
    ("dcm", Is("application/dicom")),
    ("deb", Is("application/vnd.debian.binary-package")),
    ("dot", UnlessText("application/msword")),
    ("dtd", Is("application/xml-dtd")),
    ("exr", Is("image/aces")),
    ("fits", Is("image/fits")),
    ("install", UnlessText("application/x-install-instructions")),
    ("jade", UnlessText(OCTET_STREAM)),
    ("key", UnlessText("application/vnd.apple.keynote")),
    ("ktx2", Is("image/ktx2")),
    ("less", UnlessText(OCTET_STREAM)),
    ("litcoffee", UnlessText(OCTET_STREAM)),
    ("m2ts", Is("video/mp2t")),
    ("m3u8", Is("application/vnd.apple.mpegurl")),
    ("m4a", Is("audio/mp4")),
    ("m4s", Is("video/iso.segment")),
    ("m4v", Is("video/mp4")),
    ("man", UnlessText(OCTET_STREAM)),
    ("manifest", Is("text/cache-manifest")),
    ("map", Is("application/json")),
    ("me", UnlessText(OCTET_STREAM)),
    ("mid", Is("audio/midi")),
    ("midi", Is("audio/midi")),
    ("mjs", Is("text/javascript")),
    ("mml", Is("application/mathml+xml")),
    ("mod", UnlessText(OCTET_STREAM)),
    ("ms", UnlessText(OCTET_STREAM)),
    ("msg", UnlessText("application/vnd.ms-outlook")),
    ("msix", Is("application/msix")),
    ("msixbundle", Is("application/msixbundle")),
    ("mtl", Is("model/mtl")),
    ("mts", UnlessText("video/mp2t")),
    ("mvt", Is("application/vnd.mapbox-vector-tile")),
    ("obj", Is("model/obj")),
    ("org", UnlessText("application/vnd.lotus-organizer")),
    ("otf", Is("font/otf")),
    ("p12", Is("application/pkcs12")),
    ("pfx", Is("application/pkcs12")),
    ("pjp", Is("image/jpeg")),
    ("pjpeg", Is("image/jpeg")),
    ("pl", UnlessText("application/x-perl")),
    ("pm", UnlessText("application/x-perl")),
    ("pot", UnlessText("application/vnd.ms-powerpoint")),
    ("psd", Is("image/vnd.adobe.photoshop")),
    ("pub", UnlessText("application/x-mspublisher")),
    ("rar", Is("application/vnd.rar")),
    ("raw", UnlessText(OCTET_STREAM)),
    ("rpm", Is("application/x-redhat-package-manager")),
    ("scm", UnlessText("application/vnd.lotus-screencam")),
    ("scr", UnlessText(OCTET_STREAM)),
    ("sh", UnlessText("application/x-sh")),
    ("slim", UnlessText(OCTET_STREAM)),
    ("sql", Is("application/sql")),
    ("sqlite", Is("application/vnd.sqlite3")),
    ("sqlite3", Is("application/vnd.sqlite3")),
    ("step", Is("model/step")),
    ("stl", Is("model/stl")),
    ("stp", Is("model/step")),
    ("styl", UnlessText(OCTET_STREAM)),
    ("stylus", UnlessText(OCTET_STREAM)),
    ("svgz", Encoded("image/svg+xml", "gzip")),
    ("t", UnlessText(OCTET_STREAM)),
    ("tbz2", Is("application/x-bzip2")),
    ("tcl", UnlessText("application/x-tcl")),
    ("tex", UnlessText("application/x-tex")),
    ("tgz", Is("application/gzip")),
    ("toml", Is("application/toml")),
    ("ts", UnlessText("video/mp2t")),
    ("txz", Is("application/x-xz")),
    ("udeb", Is("application/vnd.debian.binary-package")),
    ("usda", Is("model/vnd.usda")),
    ("usdz", Is("model/vnd.usdz+zip")),
    ("vcf", Is("text/vcard")),
    ("vhd", UnlessText("application/x-virtualbox-vhd")),
    ("wgsl", Is("text/wgsl")),
    ("woff", Is("font/woff")),
    ("wsdl", Is("application/wsdl+xml")),
    ("x", UnlessText(OCTET_STREAM)),
    ("xcf", Is("image/x-xcf")),
    ("yaml", Is("application/yaml")),
    ("yml", Is("application/yaml")),
    ("zst", Is("application/zstd")),
];

impl MediaType {
    /// Finds the type of a file with this name, which is `text` or not.
    pub(in crate::http) fn of(name: &str, text: Text) -> Self {
        let (media_type, coding) = match (known(name), text) {
            (Is(media_type), _) => (media_type, None),
            (Encoded(media_type, coding), _) => (media_type, Some(HeaderValue::from_static(coding))),
            (UnlessText(_), Text::Plain) => (PLAIN_TEXT, None),
            (UnlessText(media_type), Text::WithControls | Text::Other) => (media_type, None),
        };
        let value = match (has_charset(media_type), text) {
            (true, Text::Plain | Text::WithControls) => format!("{media_type}; charset=utf-8"),
            (true, Text::Other) | (false, _) => media_type.to_owned(),
        };
        let value = HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(OCTET_STREAM));
        Self { value, coding }
    }
}

/// Reports whether browsers run the scripts in a document of this type: in HTML, and in all XML, which can have elements of XHTML and a
/// style sheet. (PDF has scripts of its own, which see nothing of a site.)
pub(in crate::http) fn is_active(media_type: &HeaderValue) -> bool {
    let Ok(text) = media_type.to_str() else { return true };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (main, sub) = essence.split_once('/').unwrap_or((&essence, ""));
    let is_xml =
        sub.ends_with("+xml") || matches!((main, sub), ("text" | "application", "xml") | ("text", "xsl"));
    is_xml || (main, sub) == ("text", "html")
}

/// Reports whether the bytes have a say about a file with this name.
pub(in crate::http) fn depends_on_bytes(name: &str) -> bool {
    match known(name) {
        UnlessText(_) => true,
        Is(media_type) => has_charset(media_type),
        Encoded(..) => false,
    }
}

fn known(name: &str) -> Known {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let extension = extension.to_ascii_lowercase();
    if let Ok(at) = TABLE.binary_search_by_key(&extension.as_str(), |(known, _)| known) {
        return TABLE[at].1;
    }
    match mime_guess::from_ext(&extension).first_raw() {
        // RFC 9239 made text/javascript the one name.
        Some("application/javascript") => Is("text/javascript"),
        // Names that are not registered stand for source code. Browsers show text/plain, and offer most others to be saved.
        Some(source) if source.starts_with("text/x-") => UnlessText(OCTET_STREAM),
        Some(OCTET_STREAM) | None => UnlessText(OCTET_STREAM),
        Some(media_type) => Is(media_type),
    }
}

/// Reports whether a type says its encoding in `charset`. XML says it in its first line, which the parameter would overrule.
fn has_charset(media_type: &str) -> bool {
    media_type.starts_with("text/") && media_type != "text/xml" && !media_type.ends_with("+xml")
}

#[cfg(test)]
mod tests;
