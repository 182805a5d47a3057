//! Prometheus text exposition and OpenMetrics: one scrape a file, or many one after the other.
//!
//! ```text
//! # TYPE http_server_requests_seconds histogram
//! http_server_requests_seconds_bucket{le="0.05",uri="/payments"} 1.0 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.02 1795376495.797
//! jvm_memory_used_bytes{area="heap",id="Eden Space"} 1.6850024E7 1795376423774
//! ```
//!
//! A record is a whole scrape, since the type of a family and the time stand above its samples. Where one scrape ends and
//! the next begins is learnt from the head of the file: at lines with a time, or where the file's first line comes again.
//! A sample without a time of its own has that of such a line, or the one in the file's name if the name can only mean
//! this scrape. What this file does not do: keep exemplars, put the parts of a histogram together, or turn totals into rates.

pub mod clock;
pub mod sample;

use super::block_lines::{BlockLine, BlockLines, evidence};
use super::lines::{Block, LineFormat};
use super::metric_name::{kind_by_name, owner};
use super::text_log::stamp::MILLENNIUM;
use super::{Confidence, Format, Match, arena::Arena, free_text, timestamp};
use crate::model::record::{Field, MetricKind, MetricRecord, Reason, Sink};
use crate::model::source::Head;
use crate::model::time::Time;
use clock::Named;
use sample::{Meta, Sample};
use std::collections::BTreeMap;

/// Prometheus text and OpenMetrics.
pub const FORMAT: Format = Format { name: "prometheus", sniff };

/// A reader of scrapes.
#[derive(Clone, Debug)]
pub struct Scrapes {
    border: Border,
    /// Whether lines with a time stand inside scrapes.
    dated: bool,
    /// The time in the file's name, and the end of the part of the file that it may speak of.
    named: Option<(Named, u64)>,
    /// Families and types that the head of the file states.
    types: BTreeMap<String, String>,
}

/// What a scrape begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Border {
    /// A line with a time.
    Time,
    /// What the file's first scrape begins with.
    First(First),
    /// Any family: the lines around are another format's.
    Family,
}

/// The first comment with a meaning, if it is above the first sample, and the first series.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct First {
    meta: Vec<u8>,
    sample: Vec<u8>,
}

impl First {
    /// Whether a scrape may begin with a line.
    fn may_begin(&self, line: &[u8]) -> bool {
        begins(line, &self.meta) || begins(line, &self.sample)
    }

    /// Whether a scrape begins with a line. The first sample begins one only where no comments stand above it.
    fn begins(&self, line: &[u8], previous: &[u8]) -> bool {
        begins(line, &self.meta) || (begins(line, &self.sample) && previous.first() != Some(&b'#')) || sample::meta(previous) == Some(Meta::End)
    }
}

/// Whether a line begins with these bytes and they end there at a word's end.
fn begins(line: &[u8], first: &[u8]) -> bool {
    !first.is_empty() && line.strip_prefix(first).is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')))
}

impl Scrapes {
    /// For scrapes between the lines of another format.
    pub const EMBEDDED: Self = Self { border: Border::Family, dated: true, named: None, types: BTreeMap::new() };
}

impl LineFormat for Scrapes {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        match &self.border {
            Border::Time => clock::is_dated(line) && !clock::is_dated(previous),
            Border::First(first) => first.begins(line, previous),
            Border::Family => line.first() == Some(&b'#') && matches!(sample::meta(line), Some(Meta::Help(_) | Meta::Type(..))),
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        let border = match &self.border {
            Border::Time => clock::is_dated(line),
            Border::First(first) => first.may_begin(line),
            Border::Family => false,
        };
        !border && (line.first() == Some(&b'#') || sample::looks_like_one(line))
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let arena = Arena::default();
        let named = self.named.filter(|(_, end)| block.evidence.start < *end).map_or(Time::NONE, |(named, _)| named.in_zone(block.hints.zone));
        let mut reader =
            Reader { block, arena: &arena, labels: Vec::new(), family: Family::default(), types: &self.types, time: named, foreign: None };
        if self.dated
            && let Some(time) = BlockLines::of(block).find_map(|line| clock::time_in(line.text.as_bytes(), block.hints))
        {
            reader.time = time;
        }
        for line in BlockLines::of(block) {
            reader.line(&line, sink);
        }
        reader.give_back(sink);
    }
}

/// What was said of the family whose samples follow.
#[derive(Clone, Copy, Default)]
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    unit: &'a str,
}

impl<'a> Family<'a> {
    /// Goes on with another family unless it is the same.
    fn of(&mut self, name: &'a str) -> &mut Self {
        if self.name != name {
            *self = Self { name, ..Self::default() };
        }
        self
    }

    /// Whether a sample is of this family: it has its name, or the name and an ending.
    fn has(&self, sample: &str) -> bool {
        !self.name.is_empty() && sample.strip_prefix(self.name).is_some_and(|ending| ending.is_empty() || ending.starts_with('_'))
    }

    /// How the values of a sample are to be read. What no type is known of is judged by the endings that are usual.
    fn kind_of(&self, sample: &str) -> MetricKind {
        let part = sample.strip_prefix(self.name).filter(|_| self.has(sample));
        let total = match (self.kind, part) {
            ("counter", Some("" | "_total")) | ("histogram" | "summary", Some("_count" | "_sum" | "_bucket")) => true,
            ("counter" | "gauge" | "histogram" | "summary" | "gaugehistogram" | "info" | "stateset", Some(_)) => false,
            _ => return kind_by_name(sample),
        };
        if total { MetricKind::Cumulative } else { MetricKind::Gauge }
    }
}

struct Reader<'b> {
    block: &'b Block<'b>,
    arena: &'b Arena,
    labels: Vec<Field<'b>>,
    family: Family<'b>,
    types: &'b BTreeMap<String, String>,
    time: Time,
    /// First and last of the lines that are no part of a scrape, until they are given back.
    foreign: Option<(BlockLine<'b>, BlockLine<'b>)>,
}

impl<'b> Reader<'b> {
    fn line(&mut self, line: &BlockLine<'b>, sink: &mut dyn Sink) {
        let text = line.text.trim_ascii();
        let bytes = text.as_bytes();
        if bytes.first() == Some(&b'#') {
            match sample::meta_text(text) {
                Some(Meta::Type(name, kind)) => self.family.of(name).kind = kind,
                Some(Meta::Unit(name, unit)) => self.family.of(name).unit = unit,
                Some(Meta::Help(name)) => _ = self.family.of(name),
                Some(Meta::End) => self.family = Family::default(),
                None => self.time = clock::time_in(bytes, self.block.hints).unwrap_or(self.time),
            }
            self.give_back(sink);
        } else if let Some(sample) = sample::read(text, self.arena, &mut self.labels) {
            self.give_back(sink);
            self.sample(sample, line, sink);
        } else if text.is_empty() {
            self.give_back(sink);
        } else if sample::looks_like_one(bytes) {
            self.give_back(sink);
            let last = line.to >= self.block.evidence.len as usize;
            sink.quarantine(evidence(self.block, line.from, line.to), if last { Reason::Truncated } else { Reason::Malformed });
        } else if let Some(time) = clock::time_in(bytes, self.block.hints) {
            self.time = time;
        } else {
            self.foreign = Some((self.foreign.map_or(*line, |(first, _)| first), *line));
        }
    }

    fn sample(&mut self, sample: Sample<'b>, line: &BlockLine<'b>, sink: &mut dyn Sink) {
        // "Not a number" is how a client library says that it has nothing to say.
        if sample.value.is_nan() {
            return;
        }
        if !self.family.has(sample.name) {
            self.family = stated(self.types, sample.name);
        }
        let evidence = evidence(self.block, line.from, line.to);
        let time = match sample.stamp {
            "" => self.time,
            stamp => {
                let time = time_of(stamp);
                if time.is_none() {
                    sink.quarantine(evidence, Reason::ImplausibleTime);
                }
                time
            }
        };
        let (service, instance) = owner(&self.labels, self.block.hints);
        sink.metric(&MetricRecord {
            time,
            service,
            instance,
            name: sample.name,
            unit: self.family.unit,
            kind: self.family.kind_of(sample.name),
            labels: &self.labels,
            value: sample.value,
            evidence,
        });
    }

    /// Gives the lines that were no part of the scrape to the reader of free text.
    fn give_back(&mut self, sink: &mut dyn Sink) {
        if let Some((first, last)) = self.foreign.take() {
            free_text().record(&super::block_lines::cut(self.block, &first, &last), sink);
        }
    }
}

/// The family of a sample by what the head of the file states; the sample itself if that is nothing.
fn stated<'a>(types: &'a BTreeMap<String, String>, sample: &'a str) -> Family<'a> {
    let without_ending = sample.rsplit_once('_').map_or(sample, |(name, _)| name);
    let known = [sample, without_ending].into_iter().find_map(|name| types.get_key_value(name));
    known.map_or(Family { name: sample, ..Family::default() }, |(name, kind)| Family { name, kind, unit: "" })
}

/// A sample's own time: Prometheus writes milliseconds, OpenMetrics seconds with a fraction. None if it is before 2000.
fn time_of(stamp: &str) -> Time {
    let float = || stamp.parse::<f64>().ok().filter(|seconds| (0.0..1e11).contains(seconds)).map(|seconds| Time((seconds * 1e9) as i64));
    timestamp::epoch_text(stamp.as_bytes()).or_else(float).filter(|time| time.0 >= MILLENNIUM).unwrap_or(Time::NONE)
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let mut seen = Seen::default();
    let mut at = 0;
    let mut previous = &b""[..];
    for line in head.bytes.get(..whole)?.split_inclusive(|&b| b == b'\n') {
        seen.line(line.trim_ascii_end(), previous, at);
        previous = line.trim_ascii_end();
        at += line.len() as u64;
    }
    let confidence = seen.confidence()?;
    let openmetrics = seen.openmetrics;
    // A name tells the time of one scrape: of the first, if the head shows where the second begins.
    let named = clock::in_name(head.path).map(|named| (named, if seen.firsts <= 1 && seen.dates == 0 { u64::MAX } else { seen.second_at }));
    let border = if seen.date_first && seen.dates >= seen.firsts { Border::Time } else { Border::First(seen.first) };
    let format = Scrapes { border, dated: seen.dates > 0, named, types: seen.types };
    Some(Match::lines(confidence, if openmetrics { "prometheus/openmetrics" } else { "prometheus/text" }, Box::new(format)))
}

/// What the head of a file shows.
#[derive(Default)]
struct Seen {
    lines: usize,
    samples: usize,
    /// Samples with labels or the usual underscores in their name.
    telling: usize,
    metas: usize,
    types: BTreeMap<String, String>,
    dates: usize,
    /// Whether a time stands above the first scrape.
    date_first: bool,
    /// What the first scrape begins with, how often it was seen, and where the second time.
    first: First,
    firsts: usize,
    second_at: u64,
    openmetrics: bool,
}

impl Seen {
    fn line(&mut self, line: &[u8], previous: &[u8], at: u64) {
        if line.is_empty() {
            return;
        }
        self.lines += 1;
        let text = String::from_utf8_lossy(line);
        let arena = Arena::default();
        let mut labels = Vec::new();
        if let Some(meta) = sample::meta(line) {
            self.meta(meta);
            if self.samples == 0 && self.first.meta.is_empty() {
                // The text after a name is free and may change with a version.
                let words = line.splitn(4, u8::is_ascii_whitespace).take(3);
                let len = words.map(|word| word.len() + 1).sum::<usize>().saturating_sub(1);
                line.get(..len).unwrap_or(line).clone_into(&mut self.first.meta);
            }
        } else if line.first() == Some(&b'#') {
            self.metas += 1;
            return self.date(line);
        } else if let Some(sample) = sample::read(&text, &arena, &mut labels) {
            self.samples += 1;
            self.telling += usize::from(!labels.is_empty() || sample.name.contains('_'));
            if self.first.sample.is_empty() {
                let len = if labels.is_empty() { sample.name.len() } else { memchr::memrchr(b'}', line).map_or(line.len(), |n| n + 1) };
                line.get(..len).unwrap_or(line).clone_into(&mut self.first.sample);
            }
        } else {
            return self.date(line);
        }
        if self.first.begins(line, previous) {
            self.firsts += 1;
            if self.firsts == 2 {
                self.second_at = at;
            }
        }
    }

    fn meta(&mut self, meta: Meta<'_>) {
        self.metas += 1;
        match meta {
            Meta::Type(name, kind) => {
                self.openmetrics |= matches!(kind, "unknown" | "info" | "stateset" | "gaugehistogram");
                self.types.insert(name.to_owned(), kind.to_owned());
            }
            Meta::Unit(..) | Meta::End => self.openmetrics = true,
            Meta::Help(_) => {}
        }
    }

    fn date(&mut self, line: &[u8]) {
        if clock::is_dated(line) {
            self.dates += 1;
            self.date_first |= self.first == First::default();
        }
    }

    fn confidence(&self) -> Option<Confidence> {
        let share = (self.samples + self.metas + self.dates) * 100 / self.lines.max(1);
        match share {
            _ if self.samples == 0 => None,
            90.. if !self.types.is_empty() => Some(90),
            60.. if !self.types.is_empty() => Some(60),
            // Without any type only the look of the samples speaks: `name value` is what other tools print, too.
            95.. if self.telling * 100 >= self.samples * 95 && self.samples > 1 => Some(45),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
