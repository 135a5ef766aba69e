//! `[[rule]]` in the configuration file: what is different for some of the files.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Source, UsageError, unknown};
use crate::access::Right;
use crate::http::policy::cors::Origins;
use crate::http::policy::header_rules::{self, Field, HeaderRule};
use crate::resource_path::pattern::PathPattern;

const KEYS: [&str; 7] =
    ["files", "cache-control", "content-type", "content-encoding", "headers", "cors", "auth"];
const OTHERS: &str = " in a rule; it has files, cache-control, content-type, content-encoding, headers, cors and auth, \
                      and options stand above the first [[rule]]";

/// What is different for some of the files.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Rule {
    /// Their header fields, one for each pattern.
    pub(in crate::cli) headers: Vec<HeaderRule>,
    /// Who may do what with them.
    pub(in crate::cli) rights: Vec<RuleRight>,
}

/// What somebody may do.
#[derive(Clone, Debug)]
pub(in crate::cli) struct RuleRight {
    /// The name of an account, or `*` for everybody.
    pub(in crate::cli) name: String,
    pub(in crate::cli) right: Right,
    /// Where it stands, as the beginning of a sentence.
    pub(in crate::cli) place: String,
}

/// All `[[rule]]`.
pub(super) fn parse_all(source: Source<'_>, value: &Spanned<DeValue<'_>>) -> Result<Vec<Rule>, UsageError> {
    let form = "a rule is a table of its own, headed [[rule]]";
    let DeValue::Array(rules) = value.get_ref() else {
        return Err(source.error(value.span().start, form));
    };
    let table = |rule: &Spanned<DeValue<'_>>| match rule.get_ref() {
        DeValue::Table(table) => parse(source, rule.span().start, table),
        _ => Err(source.error(rule.span().start, form)),
    };
    rules.iter().map(table).collect()
}

fn parse(source: Source<'_>, at: usize, table: &DeTable<'_>) -> Result<Rule, UsageError> {
    let mut patterns = Vec::new();
    let (mut cache_control, mut content_type, mut content_encoding) = (None, None, None);
    let (mut fields, mut origins, mut rights) = (Vec::new(), None, Vec::new());
    for (key, value) in table {
        let at = key.span().start;
        let failed = |why: &dyn std::fmt::Display| source.error(at, why);
        match key.get_ref().as_ref() {
            "files" => {
                for text in texts(source, value)? {
                    patterns.push(PathPattern::parse(text).map_err(|why| failed(&why))?);
                }
            }
            "cache-control" => {
                let text = text(source, value)?;
                cache_control = Some(header_rules::cache_control(text).map_err(|why| failed(&why))?);
            }
            "content-type" => {
                let text = text(source, value)?;
                content_type = Some(header_rules::content_type(text).map_err(|why| failed(&why))?);
            }
            "content-encoding" => {
                let text = text(source, value)?;
                content_encoding = Some(header_rules::content_encoding(text).map_err(|why| failed(&why))?);
            }
            "headers" => fields = header_fields(source, at, value)?,
            "cors" => origins = Some(Origins::parse(texts(source, value)?).map_err(|why| failed(&why))?),
            "auth" => {
                let form = "a table of accounts and rights, { alice = \"rw\", \"*\" = \"-\" }";
                for (name, value) in pairs(source, value, form)? {
                    let right = Right::parse(text(source, value)?).map_err(|why| failed(&why))?;
                    rights.push(RuleRight {
                        name: name.to_owned(),
                        right,
                        place: source.place(value.span().start),
                    });
                }
            }
            other => return Err(failed(&unknown(other, KEYS.into_iter(), OTHERS))),
        }
    }
    if patterns.is_empty() {
        return Err(source.error(at, "the rule has no files: say which it is about, files = \"/assets/**\""));
    }
    let header = |files: PathPattern| HeaderRule {
        files,
        cache_control: cache_control.clone(),
        content_type: content_type.clone(),
        content_encoding: content_encoding.clone(),
        fields: fields.clone(),
        origins: origins.clone(),
    };
    Ok(Rule { headers: patterns.into_iter().map(header).collect(), rights })
}

/// The fields in `headers`.
fn header_fields(
    source: Source<'_>,
    at: usize,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<Field>, UsageError> {
    let mut fields = Vec::new();
    for (name, value) in pairs(source, value, "a table of names and values, { Name = \"value\" }")? {
        let lines = texts(source, value)?;
        if lines.is_empty() {
            let why = format!("the list of {name} is empty: write its value, or leave it out");
            return Err(source.error(at, why));
        }
        for text in lines {
            fields.push(header_rules::field(name, text).map_err(|why| source.error(at, why))?);
        }
    }
    Ok(fields)
}

/// One text.
fn text<'a>(source: Source<'_>, value: &'a Spanned<DeValue<'_>>) -> Result<&'a str, UsageError> {
    let text = value.get_ref().as_str();
    text.ok_or_else(|| source.error(value.span().start, "the value is a text in quotes"))
}

/// One text or several.
fn texts<'a>(source: Source<'_>, value: &'a Spanned<DeValue<'_>>) -> Result<Vec<&'a str>, UsageError> {
    match value.get_ref() {
        DeValue::Array(values) => values.iter().map(|value| text(source, value)).collect(),
        _ => text(source, value).map(|text| vec![text]),
    }
}

/// A table.
fn pairs<'a>(
    source: Source<'_>,
    value: &'a Spanned<DeValue<'_>>,
    form: &str,
) -> Result<Vec<(&'a str, &'a Spanned<DeValue<'a>>)>, UsageError> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(source.error(value.span().start, format!("the value is {form}")));
    };
    Ok(table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)).collect())
}
