//! The stage that a build names.

/// The stage that a build names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// It names none.
    None,
    /// It names this one.
    Named(String),
    /// It names one that is known only when it runs.
    Varies,
}

impl Target {
    /// Reads the value that was given for a stage. A number does not count as a name, because it means another
    /// stage as soon as somebody adds one.
    pub(super) fn of(value: &str) -> Self {
        let value = value.trim();
        let is_plain = value.starts_with(|c: char| c.is_ascii_alphabetic())
            && value.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        match value {
            "" => Self::None,
            value if is_plain => Self::Named(value.to_owned()),
            _ => Self::Varies,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_word_is_a_name() {
        for name in ["prod", "Prod-2", "a_b.c"] {
            assert_eq!(Target::of(name), Target::Named(name.to_owned()));
        }
        for value in
            ["$X", "${X}", "${{ matrix.target }}", "$(STAGE)", "{{stage}}", "prod-$X", "%X%", "2", "<x>"]
        {
            assert_eq!(Target::of(value), Target::Varies, "{value}");
        }
        assert_eq!(Target::of(" "), Target::None);
    }
}
