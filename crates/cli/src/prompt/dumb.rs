//! Questions at a terminal that cannot move its cursor (`TERM=dumb`), such as a shell in an editor: nothing is taken
//! back or written over, and a list is numbered.
//!
//! To change how a list is answered: [`pick`].

use std::io;

use quill_admin_contract::invisible::shown;

use super::edit::Line;
use super::keys::Key;
use super::prompter::Choice;
use super::terminal::{Stopped, Terminal};

impl Terminal {
    /// Has a line typed behind the question. Where anything before its end changes, the question is written anew,
    /// below.
    pub(super) fn typed_plainly(&mut self, label: &str) -> Result<String, Stopped> {
        let mut line = Line::default();
        self.ask_plainly(label, &line)?;
        loop {
            match self.key()? {
                Key::Enter => break,
                Key::Escape => return self.leave(),
                Key::EndOfInput if line.is_empty() => return self.leave(),
                Key::Pasted(Err(why)) => {
                    self.term.write_line("")?;
                    self.tell(why)?;
                    self.ask_plainly(label, &line)?;
                }
                Key::Suspend => self.ask_plainly(label, &line)?,
                key => {
                    let before = line.text();
                    line.press(&key);
                    if let Some(more) = line.text().strip_prefix(&before) {
                        self.term.write_str(&shown(more))?;
                        self.term.flush()?;
                    } else {
                        self.term.write_line("")?;
                        self.ask_plainly(label, &line)?;
                    }
                }
            }
        }
        self.term.write_line("")?;
        self.term.flush()?;
        Ok(line.text())
    }

    /// Has one entry of a numbered list chosen; returns its index.
    pub(super) fn chosen_plainly(&mut self, label: &str, choices: &[Choice]) -> Result<usize, Stopped> {
        self.begin_question(None)?;
        for (number, choice) in (1..).zip(choices) {
            let row = format!("  {number:2}  {}  {}", shown(&choice.name), shown(&choice.note));
            self.term.write_line(row.trim_end())?;
        }
        let label = format!("{label} (number or name)");
        loop {
            let text = self.typed_plainly(&label)?;
            if let Some(index) = pick(&text, choices) {
                return Ok(index);
            }
            self.begin_question(Some("type one of the numbers, a name, or a part that only one name has"))?;
        }
    }

    fn ask_plainly(&self, label: &str, line: &Line) -> io::Result<()> {
        self.term.write_str(&self.head(label).join("\n"))?;
        self.term.write_str(&shown(&line.text()))?;
        self.term.flush()
    }
}

/// The entry that an answer means: by its name, its number counted from 1, or a part of one name alone.
fn pick(text: &str, choices: &[Choice]) -> Option<usize> {
    let text = text.trim().to_lowercase();
    let name = |choice: &Choice| choice.name.to_lowercase();
    if let Some(index) = choices.iter().position(|choice| name(choice) == text) {
        return Some(index);
    }
    if let Ok(number) = text.parse::<usize>() {
        return number.checked_sub(1).filter(|index| *index < choices.len());
    }
    let mut alike =
        (0..choices.len()).filter(|index| !text.is_empty() && name(&choices[*index]).contains(&text));
    alike.next().filter(|_| alike.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_answered_by_a_number_or_a_name() {
        let choice = |name: &str| Choice { name: name.to_owned(), note: String::new() };
        let choices = ["Clinician", "Clinical Administrator", "Patient", "3rd line"].map(choice);
        for (text, index) in [
            ("1", Some(0)),
            (" 4 ", Some(3)),
            ("0", None),
            ("5", None),
            ("patient", Some(2)),
            ("admin", Some(1)),
            ("Clinic", None),
            ("3rd", Some(3)),
            ("", None),
        ] {
            assert_eq!(pick(text, &choices), index, "{text:?}");
        }
    }
}
