//! The line that shows that work goes on, and since when.
//!
//! indicatif fills the line up to the right edge of the terminal. What the terminal itself shows there, such as `^C`,
//! then stands on the next line, and what was to be replaced stays on the screen. Here the cursor stays behind the
//! text, and the line has room for some keys.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use console::{Term, truncate_str};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use super::symbols;

/// The columns that stay free for what the terminal shows of typed keys: two times `^C`, and the cursor.
const FREE: usize = 5;

/// Whether the line can be shown: stderr is a terminal that can write over what it has shown.
pub(super) fn is_possible() -> bool {
    io::stderr().is_terminal() && !console::is_dumb()
}

/// Makes the line, which is on stderr until it is cleared.
pub(super) fn spinner() -> ProgressBar {
    // It is drawn rarely, because this may run over a slow line.
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(Line(Term::buffered_stderr())), 10);
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {since}") {
        let style = style.with_key("since", |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let since = format!("{:#}", HumanDuration(state.elapsed()));
            let _ = write!(text, "{}", console::Style::new().for_stderr().dim().apply_to(since));
        });
        bar.set_style(match symbols::frames() {
            Some(frames) => style.tick_chars(frames),
            None => style,
        });
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A terminal of which one line is used, whatever its width is.
#[derive(Debug)]
struct Line(Term);

impl Line {
    /// The text that is written of `text`; none of what would only fill the line.
    fn shown(text: &str, columns: u16) -> Option<std::borrow::Cow<'_, str>> {
        let room = usize::from(columns).saturating_sub(FREE);
        (!text.bytes().all(|byte| byte == b' ')).then(|| truncate_str(text, room, symbols::MORE.text()))
    }
}

impl TermLike for Line {
    /// Wider than any text: the line is cut here, so it is never a second one.
    fn width(&self) -> u16 {
        10_000
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        match Self::shown(text, self.0.size().1) {
            Some(shown) => self.0.write_str(&shown),
            None => Ok(()),
        }
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_room_for_keys_and_is_not_filled() {
        assert_eq!(Line::shown("* running 3s", 60).as_deref(), Some("* running 3s"));
        assert_eq!(Line::shown(&" ".repeat(9_000), 60), None);
        for columns in [80, 60] {
            let long = "x".repeat(200);
            let shown = Line::shown(&long, columns).expect("some text");
            assert_eq!(console::measure_text_width(&shown), usize::from(columns) - FREE);
        }
    }
}
