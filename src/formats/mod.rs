//! From bytes to records: one file per format, chosen by content.
//!
//! A format is a constant with a `sniff`: it looks at the head of a file and answers how sure it is and with which
//! parser the file is to be read. The surest wins, a tie goes to the earlier in [`FORMATS`]. Names and extensions are
//! not looked at: bundles are full of `.txt`, `.out` and `.log.1`. Only [`config`] does, beside the content: one JSON
//! object may be anything until its file is called `appsettings.json`.
//!
//! Parsers never fail. What they do not understand goes to [`Sink::quarantine`](crate::model::record::Sink), so that
//! the bytes they were given are either in records or in quarantine.

pub mod access_log;
pub mod actuator;
pub mod arena;
pub mod block_lines;
pub mod class_histogram;
pub mod config;
pub mod error_log;
#[cfg(test)]
pub(crate) mod fixture;
pub mod free_text;
pub mod gc_legacy;
pub mod gc_message;
pub mod gc_openj9;
pub mod gc_unified;
pub mod health_body;
pub mod hprof;
pub mod hs_err;
pub mod ids_in_text;
pub mod jaeger_json;
pub mod javacore;
pub mod jcmd;
pub mod jfr;
pub mod jfr_event;
pub mod jfr_print;
pub mod journald_export;
pub mod json_log;
pub mod json_scan;
pub mod json_string;
pub mod jstat;
pub mod jul;
pub mod kafka_groups;
pub mod klog;
pub mod kube;
pub mod lines;
pub mod log_export;
pub mod metric_csv;
pub mod metric_lines;
pub mod metric_name;
pub mod mysql_slow;
pub mod otlp;
pub mod otlp_json;
pub mod otlp_proto;
pub mod payload;
pub mod pg_activity;
pub mod postgres_log;
pub mod prometheus;
pub mod prometheus_api;
pub mod quantity;
pub mod redis_info;
pub mod redis_log;
pub mod span_export;
pub mod syslog;
pub mod text_log;
pub mod thread_dump;
pub mod thread_frame;
pub mod thread_header;
pub mod thread_info;
pub mod thread_json;
pub mod thread_plain;
pub mod timestamp;
pub mod trace_json;
pub mod uwsgi;
pub mod wrapper;
pub mod zipkin_json;

use crate::model::record::Sink;
use crate::model::source::{Chunk, Evidence, Framing, Head};
use lines::{LineFormat, LineStream};

/// All formats. Adding one is its file, its `mod` line and its line here.
pub const FORMATS: &[Format] = &[
    wrapper::FORMAT,
    hprof::FORMAT,
    jfr::FORMAT,
    otlp_proto::FORMAT,
    otlp_json::FORMAT,
    jaeger_json::FORMAT,
    zipkin_json::FORMAT,
    span_export::FORMAT,
    log_export::FORMAT,
    journald_export::FORMAT,
    kube::manifest::FORMAT,
    json_log::FORMAT,
    health_body::FORMAT,
    thread_json::FORMAT,
    kube::console::FORMAT,
    thread_dump::FORMAT,
    thread_plain::FORMAT,
    thread_info::FORMAT,
    javacore::FORMAT,
    gc_unified::FORMAT,
    gc_legacy::FORMAT,
    gc_openj9::FORMAT,
    class_histogram::FORMAT,
    jstat::FORMAT,
    jcmd::FORMAT,
    hs_err::FORMAT,
    jfr_print::FORMAT,
    kafka_groups::FORMAT,
    config::FORMAT,
    prometheus::FORMAT,
    prometheus_api::FORMAT,
    actuator::FORMAT,
    metric_csv::FORMAT,
    metric_lines::FORMAT,
    access_log::FORMAT,
    error_log::FORMAT,
    uwsgi::FORMAT,
    postgres_log::FORMAT,
    pg_activity::FORMAT,
    mysql_slow::FORMAT,
    redis_info::FORMAT,
    redis_log::FORMAT,
    jul::FORMAT,
    klog::FORMAT,
    syslog::FORMAT,
    text_log::FORMAT,
    text_log::inside::FORMAT,
];

/// A format: a name and a way to recognise it.
#[derive(Debug)]
pub struct Format {
    /// Name of the family, as the file is called: `json-log`.
    pub name: &'static str,
    /// Recognises the format by the first bytes of a file.
    pub sniff: fn(&Head<'_>) -> Option<Match>,
}

/// How sure a format is that a file is its own: 0 to 100.
///
/// 100 = a magic number or a walk over all frames; 90 = a root key or banner nobody else has; 70 = most lines have the
/// shape; 30 = some have.
pub type Confidence = u8;

/// A format's claim to a file.
pub struct Match {
    /// How sure.
    pub confidence: Confidence,
    /// Family and layout, as the report says it: `json-log/logstash`.
    pub label: String,
    /// Reads the file.
    pub parser: Parser,
}

impl Match {
    /// A file of lines.
    #[must_use]
    pub fn lines(confidence: Confidence, label: impl Into<String>, format: Box<dyn LineFormat>) -> Self {
        Self { confidence, label: label.into(), parser: Parser::Lines(LineStream::new(format)) }
    }

    /// A file that has to be read in one piece.
    #[must_use]
    pub fn whole(confidence: Confidence, label: impl Into<String>, parse: ParseFn) -> Self {
        Self { confidence, label: label.into(), parser: Parser::Whole(parse) }
    }
}

/// Reads a chunk into a sink.
pub type ParseFn = fn(&Chunk<'_>, &mut dyn Sink);

/// How a file is read, and where it may be cut.
pub enum Parser {
    /// Records begin at the start of a line; the file may be cut where one does.
    Lines(LineStream),
    /// Lines that a container runtime or shipper has put around other lines.
    Wrapped(wrapper::Wrapped),
    /// Each message is preceded by its length; the file may be cut between messages.
    Frames {
        /// Length of the first frame of some bytes, prefix included; none if they do not begin with a whole one.
        next: fn(&[u8]) -> Option<usize>,
        /// Reads a run of frames.
        parse: ParseFn,
    },
    /// Not to be cut.
    Whole(ParseFn),
    /// Not to be cut, and not to be held: read piece by piece, in order.
    Flow(fn() -> Box<dyn Flow>),
}

/// Reads a file in order, of any size, and says at the end what it was.
pub trait Flow: Send {
    /// The next bytes.
    fn feed(&mut self, bytes: &[u8]);
    /// There are no more; `whole` is all that was fed.
    fn finish(self: Box<Self>, whole: Evidence, sink: &mut dyn Sink);
}

impl Parser {
    /// Where a file of this parser may be cut.
    #[must_use]
    pub fn framing(&self) -> Framing<'_> {
        match self {
            Self::Lines(stream) => Framing::Lines(stream),
            Self::Wrapped(wrapped) => Framing::Lines(wrapped),
            Self::Frames { next, .. } => Framing::Frames(*next),
            Self::Whole(_) | Self::Flow(_) => Framing::Whole,
        }
    }

    /// Reads a chunk that begins and ends where this parser allows a cut.
    pub fn parse(&self, chunk: &Chunk<'_>, sink: &mut dyn Sink) {
        match self {
            Self::Lines(stream) => stream.parse(chunk, sink),
            Self::Wrapped(wrapped) => wrapped.parse(chunk, sink),
            Self::Frames { parse, .. } | Self::Whole(parse) => parse(chunk, sink),
            Self::Flow(begin) => {
                let mut flow = begin();
                flow.feed(chunk.bytes);
                flow.finish(chunk.evidence(0, chunk.bytes.len()), sink);
            }
        }
    }
}

/// The surest claim to a file, if any format makes one.
#[must_use]
pub fn recognise(head: &Head<'_>) -> Option<Match> {
    let mut best: Option<Match> = None;
    for found in FORMATS.iter().filter_map(|format| (format.sniff)(head)) {
        if best.as_ref().is_none_or(|b| found.confidence > b.confidence) {
            best = Some(found);
        }
    }
    best
}

/// Every claim to a file, the surest first: for a person who asks why.
#[must_use]
pub fn claims(head: &Head<'_>) -> Vec<(Confidence, String)> {
    let mut claims: Vec<(Confidence, String)> =
        FORMATS.iter().filter_map(|format| (format.sniff)(head)).map(|found| (found.confidence, found.label)).collect();
    claims.sort_by_key(|(confidence, _)| std::cmp::Reverse(*confidence));
    claims
}

/// The names of all formats.
#[must_use]
pub fn names() -> Vec<&'static str> {
    FORMATS.iter().map(|format| format.name).collect()
}

/// Whether a name, or a label such as `json-log/logstash`, is a format's.
#[must_use]
pub fn is_known(name: &str) -> bool {
    let family = name.split('/').next().unwrap_or(name);
    FORMATS.iter().any(|format| format.name == family)
}

/// The file as a format that somebody asked for: by its sniff, or, if it is one of lines, on trust.
#[must_use]
pub fn forced(name: &str, head: &Head<'_>) -> Option<Match> {
    let family = name.split('/').next().unwrap_or(name);
    let format = FORMATS.iter().find(|format| format.name == family)?;
    (format.sniff)(head).or_else(|| Some(Match::lines(100, format.name, on_trust(family)?)))
}

/// Makes a format of lines.
type MakeFn = fn() -> Box<dyn LineFormat>;

/// Formats of lines that need nothing of what the head of a file would have taught them.
const ON_TRUST: &[(&str, MakeFn)] = &[
    ("json-log", || Box::new(json_log::JsonLines::EVERY)),
    ("thread-dump", || Box::new(thread_dump::HotSpotDump::EMBEDDED)),
    ("gc-log", || Box::new(gc_unified::UnifiedLog::EMBEDDED)),
    ("gc-log-legacy", || Box::new(gc_legacy::Legacy::EMBEDDED)),
    ("class-histogram", || Box::new(class_histogram::Histogram::EMBEDDED)),
    ("thread-info", || Box::new(thread_info::ThreadInfos)),
    ("jstat", || Box::new(jstat::Table)),
    ("jcmd", || Box::new(jcmd::Answers::EMBEDDED)),
    ("kafka-groups", || Box::new(kafka_groups::Groups::EMBEDDED)),
    ("prometheus", || Box::new(prometheus::Scrapes::EMBEDDED)),
    ("access-log", || Box::new(access_log::AccessLog::EMBEDDED)),
    ("error-log", || Box::new(error_log::ErrorLog)),
    ("postgres-log", || Box::new(postgres_log::PostgresLog)),
    ("redis", || Box::new(redis_log::RedisLog)),
    ("jul", || Box::new(jul::TwoLines)),
    ("klog", || Box::new(klog::Klog)),
    ("syslog", || Box::new(syslog::Syslog { trusting: true })),
    ("text-log", || Box::new(text_log::TextLog::EMBEDDED)),
];

/// A format of lines without what the head of a file would have taught it.
fn on_trust(family: &str) -> Option<Box<dyn LineFormat>> {
    ON_TRUST.iter().find(|(name, _)| *name == family).map(|(_, format)| format())
}

/// The formats that may occur between the lines of any other, in the order they are asked.
fn embedded() -> Vec<Box<dyn LineFormat>> {
    vec![
        Box::new(otlp_json::Lines),
        Box::new(json_log::JsonLines::embedded()),
        Box::new(thread_dump::HotSpotDump::EMBEDDED),
        Box::new(thread_info::ThreadInfos),
        Box::new(gc_unified::UnifiedLog::EMBEDDED),
        Box::new(gc_legacy::Legacy::EMBEDDED),
        Box::new(class_histogram::Histogram::EMBEDDED),
        Box::new(kafka_groups::Groups::EMBEDDED),
        Box::new(jstat::Table),
        Box::new(jcmd::Answers::EMBEDDED),
        Box::new(hs_err::Crash::EMBEDDED),
        Box::new(prometheus::Scrapes::EMBEDDED),
        Box::new(access_log::AccessLog::EMBEDDED),
        Box::new(error_log::ErrorLog),
        Box::new(postgres_log::PostgresLog),
        Box::new(redis_log::RedisLog),
        Box::new(klog::Klog),
        Box::new(jul::TwoLines),
        Box::new(syslog::Syslog { trusting: false }),
        Box::new(text_log::TextLog::EMBEDDED),
    ]
}

/// Takes the lines that no format claims.
fn free_text() -> Box<dyn LineFormat> {
    Box::new(free_text::FreeText)
}

/// The name of a kind of content that is known but not read, by its first bytes.
#[must_use]
pub fn unsupported(head: &[u8]) -> Option<&'static str> {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"\x89PNG", "image"),
        (b"\xff\xd8\xff", "image"),
        (b"GIF8", "image"),
        (b"%PDF-", "document"),
        (b"PAR1", "parquet"),
        (b"\xca\xfe\xba\xbe", "class-file"),
        (b"\x7fELF", "executable"),
    ];
    KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

impl crate::model::source::Starts for wrapper::Wrapped {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        Self::starts(self, line, previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_on_trust_is_a_format() {
        for (name, _) in ON_TRUST {
            assert!(is_known(name), "{name}");
        }
        let head = Head { path: "x.out", bytes: b"no garbage collector wrote this\n", whole: true };
        assert_eq!(forced("gc-log", &head).map(|found| found.confidence), Some(100));
        assert!(forced("jaeger-json", &head).is_none(), "a document cannot be read on trust");
    }
}
