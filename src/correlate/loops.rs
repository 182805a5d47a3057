//! Loops over the rows of a query, out of logs of statements: one SELECT, then another one again and again.
//!
//! ```text
//! org.hibernate.SQL          : select o1_0.id from orders o1_0 where o1_0.customer_id=?           the one
//! org.hibernate.SQL          : select i1_0.id from order_item i1_0 where i1_0.order_id=?          the many
//! sqlalchemy.engine.Engine   : SELECT line.id FROM line WHERE %(param_1)s = line.invoice_id
//! Executing prepared SQL statement [select name from product where sku = ?]
//! ```
//!
//! Statements of one trace, else of one thread, belong together until a transaction or a request ends or nothing comes for a
//! while. What was found becomes the signal [`LOOP`]: `name` is the statement, `value` how often, `key` the seconds that it
//! took. What this file does not do: say whether anybody waited for it.

use crate::correlate::statement::statement_without_values;
use crate::model::ids::TraceId;
use crate::model::names::{Interner, Sym};
use crate::model::record::{Level, LogRecord};
use crate::model::rows::Rows;
use crate::model::source::Evidence;
use crate::model::tables::Signal;
use crate::model::time::{SECOND, Time};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::hash::BuildHasher;

/// The signal of a loop.
pub const LOOP: &str = "db.loop";
/// Fewer turns are no loop that a rule would look at.
const LEAST: u32 = 5;
/// A pause of this length separates two pieces of work of one thread.
const PAUSE: i64 = 5 * SECOND;
/// A statement begins this far into its message at most.
const LEAD: usize = 96;
/// Pieces of work that are open at once, and statements remembered of each.
const MOST: (usize, usize) = (1024, 64);
/// Look-ups only: no output depends on the hash.
const HASHER: FixedState = FixedState::with_seed(0x6c6f_6f70);

/// One statement within a piece of work.
#[derive(Debug)]
struct Turns {
    statement: Sym,
    count: u32,
    first: Time,
    last: Time,
    evidence: Evidence,
}

/// What one thread or trace asked for.
#[derive(Debug)]
struct Work {
    service: Sym,
    instance: Sym,
    trace: TraceId,
    level: Level,
    last: Time,
    turns: Vec<Turns>,
}

/// Remembers the statements of what is going on.
#[derive(Debug)]
pub struct Loops {
    open: HashMap<u64, Work, FixedState>,
    text: String,
}

impl Default for Loops {
    fn default() -> Self {
        Self { open: HashMap::with_hasher(HASHER), text: String::new() }
    }
}

impl Loops {
    /// Looks at a log record; `ends` says that it tells the end of a request.
    pub fn see(&mut self, record: &LogRecord<'_>, (service, instance): (Sym, Sym), ends: bool, names: &mut Interner, out: &mut Rows<Signal>) {
        let select = if record.level < Level::Warn { select_in(record.message) } else { None };
        if select.is_none() && (self.open.is_empty() || !(ends || ends_transaction(record.message))) {
            return;
        }
        let key = if record.trace.is_none() { HASHER.hash_one((service, instance, record.thread)) } else { HASHER.hash_one(record.trace) };
        let stale = self.open.get(&key).is_some_and(|work| select.is_none() || record.time.since(work.last) > PAUSE);
        if stale && let Some(work) = self.open.remove(&key) {
            close(&work, names, out);
        }
        let Some(select) = select else { return };
        if self.open.len() >= MOST.0 && !self.open.contains_key(&key) {
            self.finish(names, out);
        }
        self.text.clear();
        statement_without_values(select, &mut self.text);
        let statement = names.intern(&self.text);
        let begun = || Work { service, instance, trace: record.trace, level: record.level, last: record.time, turns: Vec::new() };
        let work = self.open.entry(key).or_insert_with(begun);
        work.last = record.time;
        if let Some(turns) = work.turns.iter_mut().find(|turns| turns.statement == statement) {
            (turns.count, turns.last) = (turns.count + 1, record.time);
        } else if work.turns.len() < MOST.1 {
            work.turns.push(Turns { statement, count: 1, first: record.time, last: record.time, evidence: record.evidence });
        }
    }

    /// Ends everything that is open.
    pub fn finish(&mut self, names: &mut Interner, out: &mut Rows<Signal>) {
        for (_, work) in self.open.drain() {
            close(&work, names, out);
        }
    }
}

/// The loops of a piece of work: statements asked often, after one that was asked once.
fn close(work: &Work, names: &mut Interner, out: &mut Rows<Signal>) {
    let Some(single) = work.turns.iter().position(|turns| turns.count == 1) else { return };
    for turns in work.turns.iter().skip(single).filter(|turns| turns.count >= LEAST) {
        let seconds = turns.last.since(turns.first) as f64 / SECOND as f64;
        out.push(Signal {
            signal: names.intern(LOOP),
            time: turns.first,
            trace: work.trace,
            service: work.service,
            instance: work.instance,
            name: turns.statement,
            key: names.intern(&format!("{seconds:.3}")),
            value: f64::from(turns.count),
            level: work.level,
            evidence: turns.evidence,
        });
    }
}

/// The SELECT that a message is: at its beginning, or behind the mark with which a library announces it.
fn select_in(message: &str) -> Option<&str> {
    let bytes = message.as_bytes();
    // The `c` is the rarest letter of the word, so few places have to be looked at.
    let head = bytes.get(..LEAD + 4).unwrap_or(bytes);
    memchr::memchr2_iter(b'c', b'C', head).find_map(|middle| {
        let at = middle.checked_sub(4)?;
        let word = bytes.get(at..at + 7)?;
        if !(word[..6].eq_ignore_ascii_case(b"select") && word[6].is_ascii_whitespace()) {
            return None;
        }
        let before = head.get(..at)?.trim_ascii_end().last();
        let announced = matches!(before, None | Some(b':' | b')' | b'[' | b'|' | b'"' | b'\'' | b'm'));
        announced.then(|| message.get(at..)).flatten()
    })
}

fn ends_transaction(message: &str) -> bool {
    let first = message.split_ascii_whitespace().next().unwrap_or("");
    ["begin", "commit", "rollback"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(records: &[(i64, &str, &str)], ends: &str) -> Vec<(String, f64)> {
        let (mut names, mut loops, mut out) = (Interner::default(), Loops::default(), Rows::default());
        for (ms, thread, message) in records {
            let record =
                LogRecord { time: Time(1_767_261_600_000_000_000 + ms * 1_000_000), level: Level::Debug, thread, message, ..LogRecord::default() };
            loops.see(&record, (Sym::NONE, Sym::NONE), !ends.is_empty() && message.starts_with(ends), &mut names, &mut out);
        }
        loops.finish(&mut names, &mut out);
        out.iter().map(|row| (names.get(row.name).to_owned(), row.value)).collect()
    }

    const ONE: &str = "select o1_0.id from orders o1_0 where o1_0.customer_id=?";
    const MANY: &str = "select i1_0.id from order_item i1_0 where i1_0.order_id=?";

    #[test]
    fn one_and_then_many() {
        let mut records = vec![(0, "a", ONE)];
        records.extend((1..8).map(|n| (n * 4, "a", MANY)));
        assert_eq!(told(&records, ""), [(MANY.to_owned(), 7.0)]);
        let with_lead: Vec<String> = records.iter().map(|(.., text)| format!("Executing prepared SQL statement [{text}]")).collect();
        let led: Vec<(i64, &str, &str)> = records.iter().zip(&with_lead).map(|((ms, thread, _), text)| (*ms, *thread, text.as_str())).collect();
        assert_eq!(told(&led, "").len(), 1);
    }

    #[test]
    fn many_requests_of_one_thread_are_no_loop() {
        let each = |n: i64| [(n * 20, "a", ONE), (n * 20 + 5, "a", MANY)];
        assert!(told(&(0..40).flat_map(each).collect::<Vec<_>>(), "").is_empty(), "both as often");
        let mut records = vec![(0, "a", ONE)];
        records.extend((1..40).flat_map(|n| [(n * 20, "a", MANY), (n * 20 + 5, "a", "request finished")]));
        assert!(told(&records, "request").is_empty(), "each request asks once");
        let apart: Vec<_> = (0..20).map(|n| (n * 6000, "a", if n == 0 { ONE } else { MANY })).collect();
        assert!(told(&apart, "").is_empty(), "a pause between");
    }

    #[test]
    fn threads_are_told_apart_and_prose_is_none() {
        let mut records = vec![(0, "a", ONE)];
        let threads = ["a", "b", "c", "d"];
        records.extend((1..13).map(|n| (n * 4, threads[n as usize % 4], MANY)));
        assert!(told(&records, "").is_empty());
        assert!(select_in("please select one from the list").is_none() && select_in("Selector started").is_none());
        assert_eq!(select_in("  Order Load (0.5ms)  SELECT \"orders\".* FROM"), Some("SELECT \"orders\".* FROM"));
    }
}
