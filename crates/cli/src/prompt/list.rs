//! A list to choose from. Nothing is chosen at the beginning, so Enter alone takes nothing.
//!
//! To add a key: its effect in [`List::press`]; `keys.rs` decodes it.

use super::keys::Key;

/// A list, with the filter that was typed and the chosen entry.
pub(super) struct List {
    /// The names, in lower case.
    names: Vec<String>,
    filter: String,
    chosen: Option<usize>,
}

/// The effect of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The list looks different now.
    Changed,
    /// This entry was taken.
    Taken(usize),
    /// Enter was pressed with nothing chosen; holds the advice what to do instead.
    NotYet(&'static str),
    /// The person leaves.
    Left,
}

impl List {
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            names: names.into_iter().map(str::to_lowercase).collect(),
            filter: String::new(),
            chosen: None,
        }
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    pub(super) fn chosen(&self) -> Option<usize> {
        self.chosen
    }

    /// The entries whose names contain the filter.
    pub(super) fn matching(&self) -> Vec<usize> {
        let filter = self.filter.to_lowercase();
        (0..self.names.len()).filter(|index| self.names[*index].contains(&filter)).collect()
    }

    /// Whether `q` leaves: only while nothing is typed, and where no name contains a `q`.
    pub(super) fn q_leaves(&self) -> bool {
        self.filter.is_empty() && !self.names.iter().any(|name| name.contains('q'))
    }

    /// Applies a key.
    pub(super) fn press(&mut self, key: &Key) -> Step {
        match key {
            Key::Escape => return Step::Left,
            Key::Char('q') if self.q_leaves() => return Step::Left,
            Key::Char(c) => {
                self.filter.push(*c);
                self.narrow();
            }
            Key::Pasted(Ok(text)) => {
                self.filter.push_str(text);
                self.narrow();
            }
            Key::Backspace => {
                self.filter.pop();
                self.narrow();
            }
            Key::KillLine | Key::KillWord => {
                self.filter.clear();
                self.narrow();
            }
            Key::Down => self.go(1),
            Key::Up => self.go(-1),
            Key::Home => self.chosen = self.matching().first().copied(),
            Key::End => self.chosen = self.matching().last().copied(),
            Key::Enter => {
                return match self.chosen {
                    Some(chosen) => Step::Taken(chosen),
                    None if self.matching().is_empty() => {
                        Step::NotYet("nothing in the list has that in its name; take it back with Backspace")
                    }
                    None => Step::NotYet("nothing is chosen yet; choose with the arrow keys, or type a name"),
                };
            }
            _ => {}
        }
        Step::Changed
    }

    /// Chooses the entry that the filter leaves, where there can be only one.
    fn narrow(&mut self) {
        let matching = self.matching();
        let filter = self.filter.to_lowercase();
        let exact = || matching.iter().copied().find(|index| self.names[*index] == filter);
        self.chosen = match matching[..] {
            _ if filter.is_empty() => None,
            [only] => Some(only),
            _ => exact(),
        };
    }

    fn go(&mut self, step: isize) {
        let matching = self.matching();
        let at = self.chosen.and_then(|chosen| matching.iter().position(|index| *index == chosen));
        let next = match (at, step > 0) {
            (None, true) => 0,
            (None, false) => matching.len().saturating_sub(1),
            (Some(at), true) => (at + 1) % matching.len(),
            (Some(at), false) => (at + matching.len() - 1) % matching.len(),
        };
        self.chosen = matching.get(next).copied();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [&str; 4] = ["patient", "staff", "admin", "superadmin"];

    fn press(names: &[&str], keys: &str) -> Vec<Step> {
        let mut list = List::new(names.iter().copied());
        let key = |c| match c {
            '\r' => Key::Enter,
            '↓' => Key::Down,
            '↑' => Key::Up,
            '←' => Key::Backspace,
            c => Key::Char(c),
        };
        keys.chars().map(key).map(|key| list.press(&key)).filter(|step| *step != Step::Changed).collect()
    }

    #[test]
    fn enter_alone_takes_nothing() {
        assert!(matches!(press(&LEVELS, "\r\r")[..], [Step::NotYet(_), Step::NotYet(_)]));
        assert!(matches!(press(&LEVELS, "steve.jones\r\r")[..], [Step::NotYet(_), Step::NotYet(_)]));
        assert!(matches!(press(&LEVELS, "st←←\r")[..], [Step::NotYet(_)]));
        assert!(matches!(press(&LEVELS, "a\r")[..], [Step::NotYet(_)]), "all four have an a");
        assert!(matches!(press(&[], "\r")[..], [Step::NotYet(_)]));
        assert!(matches!(press(&[], "↓\r")[..], [Step::NotYet(_)]));
    }

    #[test]
    fn arrows_and_names_choose() {
        assert_eq!(press(&LEVELS, "↓\r"), [Step::Taken(0)]);
        assert_eq!(press(&LEVELS, "↓↓↓\r"), [Step::Taken(2)]);
        assert_eq!(press(&LEVELS, "↑\r"), [Step::Taken(3)]);
        assert_eq!(press(&LEVELS, "↓↑\r"), [Step::Taken(3)]);
        assert_eq!(press(&LEVELS, "staf\r"), [Step::Taken(1)]);
        assert_eq!(press(&LEVELS, "ADMIN\r"), [Step::Taken(2)], "exactly this, not superadmin");
        assert_eq!(press(&LEVELS, "adm↓↓\r"), [Step::Taken(3)], "among what matches");
    }

    #[test]
    fn q_leaves_unless_a_name_is_found_by_it() {
        assert_eq!(press(&LEVELS, "q"), [Step::Left]);
        assert_eq!(press(&LEVELS, "aq"), []);
        assert_eq!(press(&["qa", "prod"], "q\r"), [Step::Taken(0)]);
        assert_eq!(List::new(LEVELS).press(&Key::Escape), Step::Left);
    }
}
