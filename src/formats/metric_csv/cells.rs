//! The cells of a row, and what a cell can hold.
//!
//! ```text
//! "Time","a ""quoted"" name"     2026-11-22 19:30:00;12,5      1795376013123    null    NaN    87 %
//! ```
//!
//! What this file does not do: take the doubled quotes of a cell apart; no number and no name of a series has them.

use crate::formats::text_log::stamp::MILLENNIUM;
use crate::formats::timestamp::{epoch_text, iso};
use crate::model::time::Time;

/// Walks over the cells of a line.
pub(super) struct Cells<'a> {
    rest: Option<&'a str>,
    separator: char,
}

impl<'a> Cells<'a> {
    pub(super) fn of(line: &'a str, separator: char) -> Self {
        Self { rest: Some(line.trim_start_matches('\u{feff}')), separator }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (cell, after) = match rest.trim_start_matches(' ').strip_prefix('"') {
            Some(inside) => {
                let mut end = 0;
                loop {
                    end += inside.get(end..).and_then(|text| text.find('"')).unwrap_or(inside.len() - end);
                    if inside.get(end..).is_some_and(|text| text.starts_with("\"\"")) {
                        end += 2;
                    } else {
                        break;
                    }
                }
                let after = inside.get(end + 1..).unwrap_or_default();
                (inside.get(..end).unwrap_or_default(), after.find(self.separator).and_then(|at| after.get(at + 1..)))
            }
            None => match rest.split_once(self.separator) {
                Some((cell, after)) => (cell.trim_ascii(), Some(after)),
                None => (rest.trim_ascii(), None),
            },
        };
        self.rest = after;
        Some(cell)
    }
}

/// A number; none for an empty cell and for the words that say there is none.
pub(super) fn number(cell: &str) -> Option<f64> {
    let cell = cell.strip_suffix('%').map_or(cell, str::trim_ascii_end);
    cell.parse().ok().filter(|value: &f64| !value.is_nan())
}

/// Whether a cell says that there is no value.
pub(super) fn is_absent(cell: &str) -> bool {
    cell.is_empty() || ["null", "nan", "none", "undefined", "-", "n/a"].iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// A time that fills the cell: a date with a time of day, or a number since 1970.
pub(super) fn time(cell: &str, zone: i32) -> Option<Time> {
    let bytes = cell.as_bytes();
    let date = iso(bytes, zone).filter(|(_, used)| *used == bytes.len()).map(|(time, _)| time);
    date.or_else(|| epoch_text(bytes)).filter(|time| time.0 >= MILLENNIUM)
}
