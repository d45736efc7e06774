//! Texts for people, with placeholders for values.

use serde::{Deserialize, Serialize};

/// A text, as a list of segments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(Vec<Segment>);

/// A segment of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// The value of a parameter, as it was given.
    Parameter(String),
    /// A field of the subject, before the action.
    Before(String),
    /// A field of the subject, after the action.
    After(String),
    /// A column of the row that a `refuse` has found, or the result of a check of the whole database.
    Found(String),
    /// Literal text.
    #[serde(untagged)]
    Literal(String),
}

impl Text {
    /// A text of these segments. Adjacent literals are joined, so that a text has only one form.
    #[must_use]
    pub fn new(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut joined: Vec<Segment> = Vec::new();
        for segment in segments {
            match (joined.last_mut(), segment) {
                (_, Segment::Literal(text)) if text.is_empty() => {}
                (Some(Segment::Literal(before)), Segment::Literal(text)) => before.push_str(&text),
                (_, segment) => joined.push(segment),
            }
        }
        Self(joined)
    }

    /// The segments.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The text with its values filled in. `value` is called for every segment that is no literal.
    pub fn render(&self, mut value: impl FnMut(&Segment) -> String) -> String {
        self.0
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => text.clone(),
                other => value(other),
            })
            .collect()
    }

    /// The text itself, where it has no placeholders.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Segment::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_form_in_json() {
        let literal = |text: &str| Segment::Literal(text.to_owned());
        let text = Text::new([
            literal("the email "),
            literal(""),
            Segment::Parameter("email".to_owned()),
            literal(" belongs"),
            literal(" to "),
            Segment::Found("owner".to_owned()),
        ]);
        let json = r#"["the email ",{"parameter":"email"}," belongs to ",{"found":"owner"}]"#;
        assert_eq!(serde_json::to_string(&text).expect("JSON"), json);
        assert_eq!(serde_json::from_str::<Text>(json).expect("a text"), text);
        let rendered = text.render(|segment| match segment {
            Segment::Parameter(name) | Segment::Found(name) => name.to_uppercase(),
            other => panic!("{other:?}"),
        });
        assert_eq!(rendered, "the email EMAIL belongs to OWNER");
        assert_eq!(
            (text.as_literal(), Text::new([literal("a"), literal("b")]).as_literal()),
            (None, Some("ab"))
        );
    }
}
