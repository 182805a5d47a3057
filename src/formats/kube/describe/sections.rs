//! The lines of a description: keys by their depth, and the table of events at its end.
//!
//! What this file does not do: know what a key means.

use crate::formats::block_lines::BlockLine;
use crate::formats::kube::table::{Columns, Row};
use crate::formats::text_log::stamp::month;
use crate::formats::timestamp::{clock, days_from_civil};
use crate::model::time::{SECOND, Time};

/// A line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The whole line.
    pub text: &'a str,
    /// Spaces before it.
    pub indent: usize,
    /// What stands before the colon; empty if there is none.
    pub key: &'a str,
    /// What stands after it.
    pub value: &'a str,
    /// Offset of its first byte in the block.
    pub from: usize,
    /// Offset after its last byte.
    pub to: usize,
}

/// All lines of a description.
pub struct Lines<'a> {
    all: Vec<Line<'a>>,
}

impl<'a> Lines<'a> {
    /// Cuts lines into keys and values.
    pub fn of(lines: &[BlockLine<'a>]) -> Self {
        let all = lines.iter().filter(|line| !line.is_blank()).map(|line| {
            let inner = line.text.trim_start();
            // A key may hold a colon, as `(as a percentage of request):  85%` does not; the value stands two spaces on.
            let (key, value) =
                inner.split_once(":  ").or_else(|| inner.split_once(": ")).unwrap_or_else(|| (inner.strip_suffix(':').unwrap_or(""), ""));
            Line { text: line.text, indent: line.text.len() - inner.len(), key: key.trim(), value: value.trim(), from: line.from, to: line.to }
        });
        Self { all: all.collect() }
    }

    /// All of them.
    pub fn all(&self) -> &[Line<'a>] {
        &self.all
    }

    /// The line of a key of the object itself.
    pub fn top(&self, key: &str) -> Option<&Line<'a>> {
        self.all.iter().find(|line| line.indent == 0 && line.key == key)
    }

    /// The value of a key of the object itself; empty if it has none.
    pub fn value(&self, key: &str) -> &'a str {
        self.top(key).map_or("", |line| line.value)
    }

    /// The lines below a key, at any depth. A key may stand deeper itself.
    pub fn under(&self, key: &str) -> &[Line<'a>] {
        let at = self.all.iter().position(|line| line.key == key && line.indent <= 2);
        at.map_or(&[], |at| below(&self.all, at))
    }

    /// The events with their lines.
    pub fn event_rows(&self) -> impl Iterator<Item = (&Line<'a>, Row<'a>)> {
        let section = self.all.iter().rposition(|line| line.indent == 0 && line.key == "Events").map_or(&[][..], |at| below(&self.all, at));
        let columns = section.first().map(|header| Columns::of(header.text.trim_start())).unwrap_or_default();
        section.iter().skip(1).filter_map(move |line| Some((line, columns.row(line.text.trim_start())?)))
    }

    /// The events.
    pub fn events(&self) -> impl Iterator<Item = Row<'a>> {
        self.event_rows().map(|(_, row)| row)
    }
}

/// The lines that are indented deeper than the one at a place, up to the first that is not.
pub fn below<'l, 'a>(lines: &'l [Line<'a>], at: usize) -> &'l [Line<'a>] {
    let Some((own, rest)) = lines.get(at..).and_then(<[_]>::split_first) else { return &[] };
    let len = rest.iter().take_while(|line| line.indent > own.indent).count();
    rest.get(..len).unwrap_or(rest)
}

/// `Sun, 22 Nov 2026 19:44:42 +0000`
pub fn date(text: &str) -> Time {
    let read = || {
        let mut words = text.split_once(", ")?.1.split(' ');
        let (day, name, year) = (words.next()?.parse().ok()?, words.next()?, words.next()?.parse().ok()?);
        let (seconds, ..) = clock(words.next()?.as_bytes())?;
        let zone: i64 = words.next()?.parse().ok()?;
        let offset = zone / 100 * 3600 + zone % 100 * 60;
        let seconds = days_from_civil(year, month(name.as_bytes())?, day)? * 86_400 + seconds - offset;
        seconds.checked_mul(SECOND).map(Time)
    };
    read().unwrap_or(Time::NONE)
}
