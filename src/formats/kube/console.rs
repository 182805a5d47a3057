//! What kubectl prints on a terminal: tables and descriptions, once, in a loop, or as a watch.
//!
//! ```text
//! Sun Nov 22 19:44:42 UTC 2026                                          $ kubectl describe pod orders-0
//! NAME     REFERENCE           TARGETS   MINPODS   MAXPODS   REPLICAS   Name:         orders-0
//! orders   Deployment/orders   85%/70%   3         12        6          Namespace:    shop
//! ```
//!
//! The time of a listing is that of the line above it, of the file's name, or of the row itself; of a watch that has none,
//! the ages of its rows say how far they lie apart. Other lines are given to the reader of free text. What this file does not
//! do: read cells or sections; `table.rs` and `describe.rs` do.

use super::describe;
use super::quantity::age;
use super::table::{self, Columns, Listed, Moment, Row};
use crate::formats::block_lines::{BlockLine, BlockLines, cut, evidence};
use crate::formats::lines::{Block, LineFormat};
use crate::formats::prometheus::clock::{self, Named};
use crate::formats::text_log::stamp;
use crate::formats::{Format, Match, free_text};
use crate::model::record::Sink;
use crate::model::source::Head;
use crate::model::time::Time;
use std::collections::BTreeMap;

/// What kubectl prints.
pub const FORMAT: Format = Format { name: "kube-console", sniff };

/// Lines of the head that are looked at.
const LINES: usize = 200;

/// The line format.
struct Console {
    /// Whether times stand above the listings: then they are the borders.
    dated: bool,
    /// Whether every line begins with a time.
    stamped: bool,
    /// Whether the first cell of a row is a time.
    timed: bool,
    /// The time in the file's name.
    named: Option<Named>,
}

impl LineFormat for Console {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        if self.dated {
            return is_date(line);
        }
        let Ok(text) = std::str::from_utf8(line) else { return false };
        let text = if self.stamped { unstamped(text).1 } else { text };
        header(text).is_some() || describe::begins(text)
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        let is_log = matches!(line.first(), Some(b'0'..=b'9' | b'[' | b'{')) && stamp::read(line, &NO_HINTS).is_some() || line.first() == Some(&b'{');
        !(self.dated && is_date(line)) && (self.stamped || self.timed || !is_log)
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let named = self.named.map_or(Time::NONE, |named| named.in_zone(block.hints.zone));
        Reader { block, stamped: self.stamped, time: named, table: None, rows: Vec::new() }.read(sink);
    }
}

static NO_HINTS: crate::model::source::Hints = crate::model::source::Hints::NONE;

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let lines = || text.lines().filter(|line| !line.trim().is_empty()).take(LINES);
    let dated = lines().next().is_some_and(|line| is_date(line.as_bytes()) && header(unstamped(line).1).is_none());
    let stamped = !dated && lines().any(|line| unstamped(line).0.is_some() && header(unstamped(line).1).is_some());
    let above = lines().take_while(|line| !is_ours(line, stamped)).count();
    let first = lines().nth(above)?;
    // Other tools print a name first, too.
    if describe::begins(first) && !["\nNamespace:", "\nLabels:", "\nEvents:"].iter().any(|key| text.contains(key)) {
        return None;
    }
    let label = if describe::begins(first) { "kube-console/describe" } else { "kube-console/table" };
    let timed = header(first).is_some_and(|(listed, _)| listed == Listed::Events);
    // A listing between other things is claimed if nobody knows better what they are.
    let confidence = match above {
        0..=3 => 88,
        _ => 35,
    };
    let rows = lines().nth(above + 1).is_some() || !head.whole;
    let named = if dated || stamped { None } else { clock::in_name(head.path) };
    rows.then(|| Match::lines(confidence, label, Box::new(Console { dated, stamped, timed, named })))
}

fn is_ours(line: &str, stamped: bool) -> bool {
    let line = if stamped { unstamped(line).1 } else { line };
    header(line).is_some() || describe::begins(line)
}

/// The table that a line heads. Headings are in upper case.
fn header(line: &str) -> Option<(Listed, Columns)> {
    let first = line.split([' ', '\t']).next()?;
    let plausible = first.len() >= 3 && first.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b'-'));
    if !plausible || line.len() > 400 || line.bytes().any(|b| b.is_ascii_lowercase()) && !line.contains("CPU(cores)") {
        return None;
    }
    let columns = Columns::of(line);
    Listed::of(&columns).map(|listed| (listed, columns))
}

/// Whether a line is what a script printed above a listing.
fn is_date(line: &[u8]) -> bool {
    line.first().is_some_and(|b| !matches!(b, b' ' | b'\t')) && !line.windows(3).any(|w| w == b"   ") && clock::is_dated(line)
}

/// The time at the start of a line, and what follows.
fn unstamped(line: &str) -> (Option<Time>, &str) {
    match stamp::read(line.as_bytes(), &NO_HINTS).filter(|stamp| stamp.time.is_some()) {
        Some(stamp) => (Some(stamp.time), line.get(stamp.len..).unwrap_or("").trim_start_matches([' ', '|', '\t'])),
        None => (None, line),
    }
}

struct Reader<'b> {
    block: &'b Block<'b>,
    stamped: bool,
    time: Time,
    table: Option<(Listed, Columns)>,
    /// Rows of the table that are not said yet: the row, its own time, its line.
    rows: Vec<(Row<'b>, Time, BlockLine<'b>)>,
}

impl<'b> Reader<'b> {
    fn read(mut self, sink: &mut dyn Sink) {
        let mut lines = BlockLines::of(self.block);
        while let Some(line) = lines.next() {
            let (own, text) = if self.stamped { unstamped(line.text) } else { (None, line.text) };
            if text.trim().is_empty() {
                continue;
            }
            if let Some(table) = header(text) {
                // A watch that is begun again, or a loop, lists the same things under the same headings.
                if self.table.as_ref().is_none_or(|(listed, _)| *listed != table.0) {
                    self.say(sink);
                }
                self.table = Some(table);
            } else if describe::begins(text) {
                self.say(sink);
                let mut all = vec![line];
                let mut rest = lines.clone();
                while let Some(next) = rest.next().filter(|next| !describe::begins(next.text) && header(next.text).is_none() && !is_shell(next.text))
                {
                    all.push(next);
                    lines.next();
                }
                describe::read(self.block, &all, Moment { time: self.time }, sink);
            } else if let Some(row) = self.table.as_ref().and_then(|(_, columns)| columns.row(text)).filter(|_| !is_shell(text)) {
                self.rows.push((row, own.unwrap_or(Time::NONE), line));
            } else if is_date(text.as_bytes())
                && let Some(time) = clock::time_in(text.as_bytes(), self.block.hints)
            {
                self.say(sink);
                self.time = time;
            } else {
                free_text().record(&cut(self.block, &line, &line), sink);
            }
        }
        self.say(sink);
    }

    /// Says the rows there are.
    fn say(&mut self, sink: &mut dyn Sink) {
        let rows = std::mem::take(&mut self.rows);
        let Some((listed, _)) = self.table.as_ref() else { return };
        let apart = if *listed == Listed::Events { BTreeMap::new() } else { ages(&rows) };
        for (row, own, line) in &rows {
            let time = if own.is_some() { *own } else { self.at(row, &apart) };
            table::read(*listed, row, Moment { time }, evidence(self.block, line.from, line.to), sink);
        }
    }

    /// When a row of a watch was printed: its age against that of the first, or the last, row about the same thing.
    fn at(&self, row: &Row<'_>, apart: &BTreeMap<String, (i64, i64)>) -> Time {
        match (apart.get(row.get("NAME")), age(row.get("AGE"))) {
            (Some((first, last)), Some(age)) if first != last => match self.time.is_some() {
                true => self.time.plus(age - first),
                false => Time::before_capture(last - age),
            },
            _ => self.time,
        }
    }
}

/// The least and greatest age of each thing that is listed.
fn ages(rows: &[(Row<'_>, Time, BlockLine<'_>)]) -> BTreeMap<String, (i64, i64)> {
    let mut all: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (row, ..) in rows {
        if let Some(age) = age(row.get("AGE")) {
            let known = all.entry(row.get("NAME").to_owned()).or_insert((age, age));
            *known = (known.0.min(age), known.1.max(age));
        }
    }
    all
}

/// Whether a line is the prompt and what was typed.
fn is_shell(line: &str) -> bool {
    line.starts_with("$ ") || line.starts_with("# ") || line.contains("$ kubectl ") || line.contains("# kubectl ") || line.starts_with("+ kubectl ")
}

#[cfg(test)]
mod tests;
