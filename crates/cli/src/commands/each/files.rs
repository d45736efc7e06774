//! The two files of a run for many rows: the table, and the file that keeps what became of each row. Where no flag
//! names them, a person is asked.

use std::path::{Path, PathBuf};

use quill_admin_files::open_regular;
use quill_admin_files::system::HOME;
use quill_admin_operations::each::Journal;
use quill_admin_operations::error::CliError;

use super::super::context::Context;

impl Context<'_> {
    /// The table: that of `--from`, or the one that a person names. The path is as it was given.
    pub(super) fn table_file(&mut self, given: Option<PathBuf>) -> Result<PathBuf, CliError> {
        if let Some(path) = given {
            return Ok(path);
        }
        let process = self.process;
        let typed = self.form.line("Table (a CSV file)", &|text| {
            if text.trim().is_empty() {
                return Err("type the path of a table; Esc leaves".to_owned());
            }
            let path = self::typed(process.var(HOME), text);
            match open_regular(&process.cwd.join(&path)) {
                Ok(_) => Ok(()),
                Err(error) if error.is_missing() => Err(format!("there is no file {}", path.display())),
                Err(error) => Err(format!("failed to read {}: {error}", path.display())),
            }
        })?;
        Ok(self::typed(process.var(HOME), &typed))
    }

    /// The results file: that of `--results`, or the one that a person names, beside the table unless they say
    /// otherwise.
    pub(super) fn results_file(&mut self, given: Option<PathBuf>, table: &Path) -> Result<PathBuf, CliError> {
        if let Some(path) = given {
            return Ok(path);
        }
        let process = self.process;
        let beside = table.with_extension("results");
        let path = |text: &str| match text.trim() {
            "" => beside.clone(),
            text => typed(process.var(HOME), text),
        };
        let label = format!("Results file to make or go on with (Enter alone: {})", beside.display());
        let typed = self.form.line(&label, &|text| {
            Journal::open(&process.cwd.join(path(text))).map(drop).map_err(|error| {
                error.messages.iter().chain(&error.hints).cloned().collect::<Vec<_>>().join("; ")
            })
        })?;
        Ok(path(&typed))
    }
}

/// A path that was typed at a question, where no shell has put the home folder in place of `~`.
fn typed(home: Option<&str>, text: &str) -> PathBuf {
    let text = text.trim();
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_path_may_begin_at_the_home_folder() {
        assert_eq!(typed(Some("/home/ada"), " ~/class.csv "), Path::new("/home/ada/class.csv"));
        assert_eq!(typed(None, "~/class.csv"), Path::new("~/class.csv"));
        assert_eq!(typed(Some("/home/ada"), "lists/~/a b.csv"), Path::new("lists/~/a b.csv"));
    }
}
