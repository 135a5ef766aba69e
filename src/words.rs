//! Sentences for people: numbers with their nouns. It knows nothing of what they are about.

/// Returns `count` with its noun: `1 byte`, `2 bytes`. Only for nouns whose plural ends in `s`.
pub fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular_and_everything_else_plural() {
        assert_eq!(counted(0, "byte"), "0 bytes");
        assert_eq!(counted(1, "byte"), "1 byte");
        assert_eq!(counted(2, "byte"), "2 bytes");
    }
}
