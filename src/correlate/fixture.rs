//! Small bundles written as text, for tests.
//!
//! ```text
//! t1 +5000                                   a trace, 5000 ms after the base
//!   gw GET /checkout 0-9000                  a server span: service, operation, milliseconds
//!     > payments POST /charges 0-2900 !504   a client span of gw towards the host payments
//!       payments POST /charges 5-2895        its server span
//!     . PaymentClient.charge 3000-5000       inner work
//!     >> kafka orders send 10-13             a message sent, `<< service` one received
//! ```
//!
//! After the times: a status (`200`, `!` for failed), `!timeout`, `!reset` (an `error.type`), `resend=1`, `weak`, `raw=/price/a`,
//! `system=postgresql`, `at=instance`, `plain` (no kind), `id=7`. Parents are found by indentation; a line
//! that begins with `?` names a parent that is not there.

use crate::correlate::Case;
use crate::correlate::gather::gather;
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{SpanKind, SpanStatus};
use crate::model::source::{Evidence, FileId};
use crate::model::tables::{SourceFile, Span, Tables};
use crate::model::time::Time;
use std::hash::{BuildHasher, Hasher};

/// 2026-01-01T10:00:00Z.
pub(crate) const BASE: i64 = 1_767_261_600_000_000_000;
const MS: i64 = 1_000_000;

/// The tables a text stands for: one file, one span a line.
pub(crate) fn given(text: &str) -> Tables {
    let mut tables = Tables { files: vec![SourceFile { path: "spans.txt".to_owned(), ..SourceFile::default() }], ..Tables::default() };
    let (mut trace, mut offset) = (0_u128, 0_i64);
    let mut open: Vec<(usize, Span)> = Vec::new();
    let mut at = 0_u64;
    for line in text.lines() {
        let evidence = Evidence::new(FileId(0), at, line.len());
        at += line.len() as u64 + 1;
        let depth = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first() else { continue };
        if depth == 0 {
            trace = u128::from(hash(first)) + 1;
            offset = words.get(1).map_or(0, |plus| plus.trim_start_matches('+').parse().unwrap());
            open.clear();
            continue;
        }
        open.retain(|(outer, _)| *outer < depth);
        let mut span = read(&words, open.last().map(|(_, span)| span), &mut tables);
        span.trace = TraceId(trace);
        span.start = Time(BASE + offset * MS).plus(span.start.0);
        span.evidence = evidence;
        if span.id.is_none() {
            span.id = SpanId(hash(&format!("{trace} {at}")));
        }
        tables.window.join(span.window());
        tables.spans.push(span);
        open.push((depth, span));
    }
    tables
}

/// The case a text stands for.
pub(crate) fn case(text: &str) -> Case {
    gather(given(text))
}

/// Many traces of one shape: `shape` with the number of the trace, one every `every` ms.
pub(crate) fn many(numbers: std::ops::Range<u32>, every: u32, shape: impl Fn(u32) -> String) -> String {
    numbers.map(|n| format!("t{n} +{}\n{}\n", n * every, shape(n))).collect()
}

fn hash(text: &str) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(1).build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish() | 1
}

fn read(words: &[&str], parent: Option<&Span>, tables: &mut Tables) -> Span {
    let is_lost = words[0] == "?";
    let words = &words[usize::from(is_lost)..];
    let (kind, words) = match words[0] {
        ">" => (SpanKind::Client, &words[1..]),
        ">>" => (SpanKind::Producer, &words[1..]),
        "<<" => (SpanKind::Consumer, &words[1..]),
        "." => (SpanKind::Internal, &words[1..]),
        _ => (SpanKind::Server, words),
    };
    let is_time = |word: &&str| word.split_once('-').is_some_and(|(a, b)| a.parse::<f64>().is_ok() && b.parse::<f64>().is_ok());
    let time = words.iter().position(is_time).expect("a span has times");
    let (start, end) = words[time].split_once('-').unwrap();
    let nanos = |text: &str| (text.parse::<f64>().unwrap() * MS as f64) as i64;
    let names = &mut tables.names;
    let outer = parent.map_or(crate::model::names::Sym::NONE, |parent| parent.service);
    let (mut service, mut peer) = (outer, crate::model::names::Sym::NONE);
    let mut operation = &words[..time];
    match kind {
        SpanKind::Client | SpanKind::Producer => {
            let (from, to) = words[0].split_once('>').unwrap_or(("", words[0]));
            service = if from.is_empty() { outer } else { names.intern(from) };
            peer = if to == "-" { peer } else { names.intern(to) };
            operation = &words[1..time];
        }
        SpanKind::Server | SpanKind::Consumer => {
            service = names.intern(words[0]);
            operation = &words[1..time];
        }
        _ => {}
    }
    let operation = operation.join(" ");
    let mut identity = operation.clone();
    let mut span = Span {
        trace: TraceId::NONE,
        id: SpanId::NONE,
        parent: if is_lost { SpanId(u64::MAX) } else { parent.map_or(SpanId::NONE, |parent| parent.id) },
        start: Time(nanos(start)),
        nanos: (nanos(end) - nanos(start)).unsigned_abs(),
        fingerprint: 0,
        service,
        instance: service,
        name: names.intern(&operation),
        peer,
        operation: names.intern(&operation),
        system: crate::model::names::Sym::NONE,
        error: crate::model::names::Sym::NONE,
        attributes: crate::model::names::Sym::NONE,
        http_status: 0,
        rpc_status: 0,
        resend: 0,
        kind,
        status: SpanStatus::Unset,
        strong: kind == SpanKind::Client,
        evidence: Evidence::default(),
    };
    for word in &words[time + 1..] {
        if word.starts_with('!') {
            span.status = SpanStatus::Error;
        }
        let word = word.trim_start_matches('!');
        match word.split_once('=') {
            Some(("resend", n)) => span.resend = n.parse().unwrap(),
            Some(("raw", raw)) => raw.clone_into(&mut identity),
            Some(("system", system)) => span.system = names.intern(system),
            Some(("at", instance)) => span.instance = names.intern(instance),
            Some(("id", id)) => span.id = SpanId(id.parse().unwrap()),
            Some((key, _)) => panic!("{key} is no flag"),
            None if word == "weak" => span.strong = false,
            None if word == "plain" => span.kind = SpanKind::Unspecified,
            None if word.parse::<u16>().is_ok() => span.http_status = word.parse().unwrap(),
            None if word.is_empty() => {}
            None => span.error = names.intern(word),
        }
    }
    span.fingerprint = hash(&identity);
    span
}

/// Two layers that both try three times: nine calls of the bank for one checkout.
pub(crate) const LAYERED: &str = "
t1
  gw POST /checkout 0-9000 !503
    > payment POST /payments 0-2900 !503
      payment POST /payments 5-2895 !503
        > bank POST /charge 10-810 !503
        > bank POST /charge 910-1710 !503
        > bank POST /charge 1810-2610 !503
    > payment POST /payments 3000-5900 !503
      payment POST /payments 3005-5895 !503
        > bank POST /charge 3010-3810 !503
        > bank POST /charge 3910-4710 !503
        > bank POST /charge 4810-5610 !503
    > payment POST /payments 6000-8900 !503
      payment POST /payments 6005-8895 !503
        > bank POST /charge 6010-6810 !503
        > bank POST /charge 6910-7710 !503
        > bank POST /charge 7810-8610 !503
";
