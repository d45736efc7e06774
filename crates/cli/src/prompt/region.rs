//! The lines that a question takes at the bottom of the screen, and that change while somebody types.

use std::io;

use console::{Term, measure_text_width};

/// The lines of a question. The cursor stands in the last one.
#[derive(Debug, Default)]
pub(super) struct Region {
    lines: Vec<String>,
    /// The columns of the last line that stand to the right of the cursor.
    after: usize,
    /// The columns of the terminal when the lines were written.
    columns: usize,
}

impl Region {
    /// Shows these lines in place of those before, with the cursor `after` columns to the left of the end.
    ///
    /// Only what has changed is written: the beginning of a question that is taller than the screen could not be
    /// taken back, and would be there once more with every key.
    ///
    /// # Errors
    ///
    /// Fails when the terminal is gone.
    pub(super) fn show(&mut self, term: &Term, lines: Vec<String>, after: usize) -> io::Result<()> {
        let columns = columns(term);
        if (columns, after) == (self.columns, self.after) && lines == self.lines {
            return Ok(());
        }
        let same = if columns == self.columns {
            // The last line is written again in any case: the cursor stands in it.
            let ends = self.lines.len().min(lines.len()).saturating_sub(1);
            self.lines.iter().zip(&lines).take(ends).take_while(|(old, new)| old == new).count()
        } else {
            0
        };
        self.take_back(term, same)?;
        term.write_str(&lines[same.min(lines.len())..].join("\n"))?;
        term.move_cursor_left(after)?;
        *self = Self { lines, after, columns };
        term.flush()
    }

    /// Removes the lines from the screen.
    ///
    /// # Errors
    ///
    /// Fails when the terminal is gone.
    pub(super) fn clear(&mut self, term: &Term) -> io::Result<()> {
        self.take_back(term, 0)?;
        *self = Self::default();
        term.flush()
    }

    /// Forgets the lines, which stay on the screen: somebody else has written below them.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Removes the lines from this one on, and goes to its beginning.
    fn take_back(&self, term: &Term, from: usize) -> io::Result<()> {
        let Some((last, before)) = self.lines.split_last() else { return Ok(()) };
        // A terminal that has become narrower has broken the lines again.
        let columns = columns(term);
        let rows = |width: usize| width.div_ceil(columns).max(1);
        let width = measure_text_width(last);
        let below = rows(width) - 1 - (width.saturating_sub(self.after) / columns).min(rows(width) - 1);
        let above: usize = before.iter().skip(from).map(|line| rows(measure_text_width(line))).sum();
        // Row by row: tmux takes it for the end of a program where all of a screen is cleared at once, and keeps what
        // stood there.
        term.move_cursor_down(below)?;
        term.clear_line()?;
        term.clear_last_lines(above + rows(width) - 1)
    }
}

/// The columns of the terminal.
pub(super) fn columns(term: &Term) -> usize {
    usize::from(term.size().1).max(1)
}
