//! Points as agents send them over the wire, kept in a file: InfluxDB's line protocol, Graphite's plain text, StatsD.
//!
//! ```text
//! http_requests,service=orders,host=a\ b count=12i,p95=0.25,ok=true 1795376013100000000
//! servers.orders-0.jvm.heap.used;env=prod 16850024 1795376013
//! orders.checkout.latency:320|ms|@0.1|#env:prod,region:eu
//! ```
//!
//! A field of a point is a series of its own, named by both. What this file does not do: texts as values, and the sets and
//! samples of StatsD beyond their numbers.

use super::arena::Arena;
use super::lines::{Block, LineFormat};
use super::metric_name::{kind_by_name, owner};
use super::text_log::stamp::MILLENNIUM;
use super::{Format, Match, timestamp};
use crate::model::record::{Field, MetricKind, MetricRecord, Reason, Sink, Value};
use crate::model::source::{Evidence, Head};
use crate::model::time::Time;

/// Lines of agents.
pub const FORMAT: Format = Format { name: "metric-lines", sniff };

/// Which of the three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dialect {
    Influx,
    Graphite,
    StatsD,
}

/// A point, before it is handed over.
struct Point<'a> {
    time: Time,
    name: &'a str,
    kind: MetricKind,
    value: f64,
}

impl Dialect {
    const ALL: [(Self, &'static str); 3] = [(Self::Influx, "metrics/influx"), (Self::Graphite, "metrics/graphite"), (Self::StatsD, "metrics/statsd")];

    /// Reads a line into labels and points; false if it is none of this dialect.
    fn read<'a>(self, line: &'a str, arena: &'a Arena, labels: &mut Vec<Field<'a>>, points: &mut Vec<Point<'a>>) -> bool {
        labels.clear();
        points.clear();
        match self {
            Self::Influx => influx(line, arena, labels, points),
            Self::Graphite => graphite(line, labels, points),
            Self::StatsD => statsd(line, labels, points),
        }
        .is_some()
            && !points.is_empty()
    }
}

impl LineFormat for Dialect {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        !line.is_empty()
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let arena = Arena::default();
        let (mut labels, mut points) = (Vec::new(), Vec::new());
        if block.text.starts_with('#') {
            return;
        }
        if !self.read(block.text, &arena, &mut labels, &mut points) {
            sink.quarantine(block.evidence, Reason::Malformed);
            return;
        }
        let (service, instance) = owner(&labels, block.hints);
        for point in &points {
            emit(point, service, instance, &labels, block.evidence, sink);
        }
    }
}

fn emit(point: &Point<'_>, service: &str, instance: &str, labels: &[Field<'_>], evidence: Evidence, sink: &mut dyn Sink) {
    if point.time.is_some() && point.time.0 < MILLENNIUM {
        sink.quarantine(evidence, Reason::ImplausibleTime);
        return;
    }
    sink.metric(&MetricRecord {
        time: point.time,
        service,
        instance,
        name: point.name,
        unit: "",
        kind: point.kind,
        labels,
        value: point.value,
        evidence,
    });
}

/// `measurement,tag=v field=1i,other=2 1795376013100000000`
fn influx<'a>(line: &'a str, arena: &'a Arena, labels: &mut Vec<Field<'a>>, points: &mut Vec<Point<'a>>) -> Option<()> {
    let (key, rest) = split(line, ' ')?;
    let (fields, stamp) = split(rest, ' ').unwrap_or((rest, ""));
    let time = if stamp.is_empty() { Time::NONE } else { timestamp::epoch_text(stamp.trim_ascii().as_bytes()).filter(|_| !stamp.contains('.'))? };
    let (measurement, mut tags) = split(key, ',').unwrap_or((key, ""));
    while !tags.is_empty() {
        let (tag, rest) = split(tags, ',').unwrap_or((tags, ""));
        let (key, value) = split(tag, '=')?;
        labels.push(Field { key: plain(key, arena), value: Value::Text(plain(value, arena)) });
        tags = rest;
    }
    let mut rest = fields;
    let measurement = plain(measurement, arena);
    while !rest.is_empty() {
        let (field, more) = split(rest, ',').unwrap_or((rest, ""));
        let (key, value) = split(field, '=')?;
        if let Some(value) = influx_value(value)? {
            let name = if key == "value" { measurement } else { arena.keep(format!("{measurement}_{}", plain(key, arena))) };
            points.push(Point { time, name, kind: kind_by_name(name), value });
        } else if points.is_empty() && more.is_empty() {
            // A point of words alone is understood, and says nothing here.
            return None;
        }
        rest = more;
    }
    Some(())
}

/// A number, or nothing for a text; none if it is neither.
fn influx_value(text: &str) -> Option<Option<f64>> {
    if text.starts_with('"') {
        return (text.len() > 1 && text.ends_with('"')).then_some(None);
    }
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => Some(Some(1.0)),
        "f" | "F" | "false" | "False" | "FALSE" => Some(Some(0.0)),
        _ => text.strip_suffix(['i', 'u']).unwrap_or(text).parse().ok().map(Some),
    }
}

/// Splits at the first separator that no backslash and no quotes hide.
fn split(text: &str, separator: char) -> Option<(&str, &str)> {
    let (mut hidden, mut quoted) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if hidden => hidden = false,
            '\\' => hidden = true,
            '"' => quoted = !quoted,
            _ if letter == separator && !quoted => return Some((text.get(..at)?, text.get(at + letter.len_utf8()..)?)),
            _ => {}
        }
    }
    None
}

/// Without the backslashes that hid separators.
fn plain<'a>(text: &'a str, arena: &'a Arena) -> &'a str {
    if text.contains('\\') { arena.keep(text.replace("\\ ", " ").replace("\\,", ",").replace("\\=", "=")) } else { text }
}

/// `path.to.series;tag=v 12.5 1795376013`
fn graphite<'a>(line: &'a str, labels: &mut Vec<Field<'a>>, points: &mut Vec<Point<'a>>) -> Option<()> {
    let mut words = line.split_ascii_whitespace();
    let (path, value, stamp) = (words.next()?, words.next()?, words.next()?);
    let mut parts = path.split(';');
    let name = parts.next()?;
    if words.next().is_some() || !name.contains('.') || name.contains(['{', '"', '=']) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    for tag in parts {
        let (key, value) = tag.split_once('=')?;
        labels.push(Field { key, value: Value::Text(value) });
    }
    let time = timestamp::epoch_text(stamp.as_bytes()).filter(|_| stamp.len() >= 10)?;
    points.push(Point { time, name, kind: kind_by_name(name), value: value.parse().ok()? });
    Some(())
}

/// `name:12|c|@0.1|#tag:v,other:w`
fn statsd<'a>(line: &'a str, labels: &mut Vec<Field<'a>>, points: &mut Vec<Point<'a>>) -> Option<()> {
    let (name, rest) = line.split_once(':')?;
    let mut parts = rest.split('|');
    let (value, kind) = (parts.next()?, parts.next()?);
    if name.is_empty() || name.contains([' ', '"', '{']) || !matches!(kind, "c" | "g" | "ms" | "h" | "d" | "s") {
        return None;
    }
    let mut rate = 1.0;
    for part in parts {
        if let Some(share) = part.strip_prefix('@') {
            rate = share.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0)?;
        } else if let Some(tags) = part.strip_prefix('#') {
            labels.extend(tags.split(',').filter_map(|tag| tag.split_once(':')).map(|(key, value)| Field { key, value: Value::Text(value) }));
        }
    }
    let value: f64 = value.parse().ok()?;
    let (kind, value) = if kind == "c" { (MetricKind::Delta, value / rate) } else { (MetricKind::Gauge, value) };
    points.push(Point { time: Time::NONE, name, kind, value });
    Some(())
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let text = std::str::from_utf8(head.bytes.get(..whole)?).ok()?;
    let arena = Arena::default();
    let (mut labels, mut points) = (Vec::new(), Vec::new());
    Dialect::ALL.into_iter().find_map(|(dialect, label)| {
        let (mut lines, mut good, mut timed) = (0_usize, 0_usize, 0_usize);
        for line in text.lines().filter(|line| !line.trim_ascii().is_empty() && !line.starts_with('#')).take(100) {
            lines += 1;
            let is_good = dialect.read(line, &arena, &mut labels, &mut points);
            good += usize::from(is_good);
            timed += usize::from(is_good && points.iter().any(|point| point.time.0 >= MILLENNIUM));
        }
        // Words with an equals sign are logfmt as well: only a time tells the line protocol from it.
        let sure = good > 0 && good * 100 >= lines * 95 && (dialect == Dialect::StatsD || timed * 100 >= lines * 95);
        sure.then(|| Match::lines(80, label, Box::new(dialect)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, recognised, stream, worn};

    // Synthetic: after the documentation of each protocol.
    #[test]
    fn influx_lines() {
        let text = "# a comment\nhttp_requests,service=orders,host=a\\ b count=12i,p95=0.25,ok=true,note=\"a, b\" 1795376013100000000\nup value=1 1795376013100\n";
        let (label, got) = recognised(text).unwrap();
        assert_eq!((label.as_str(), got.quarantined), ("metrics/influx", 0), "{}", got.text);
        let of = |name: &str, kind: &str, value: &str| {
            format!(
                "metric time=\"2026-11-22T19:33:33.100Z\" service=\"orders\" name=\"{name}\" kind=\"{kind}\" labels=\"service=orders;host=a b;\" value=\"{value}\""
            )
        };
        let want = [
            of("http_requests_count", "Cumulative", "12.0"),
            of("http_requests_p95", "Gauge", "0.25"),
            of("http_requests_ok", "Gauge", "1.0"),
            "metric time=\"2026-11-22T19:33:33.100Z\" name=\"up\" kind=\"Gauge\" value=\"1.0\"".to_owned(),
        ];
        assert_eq!(placeless(&got), want);
    }

    #[test]
    fn graphite_and_statsd_lines() {
        let (label, got) = recognised("servers.orders-0.heap;env=prod 16850024 1795376013\nservers.orders-0.heap 1.5 1795376028\n").unwrap();
        assert_eq!((label.as_str(), got.records, got.quarantined), ("metrics/graphite", 2, 0), "{}", got.text);
        assert!(got.text.contains("name=\"servers.orders-0.heap\" kind=\"Gauge\" labels=\"env=prod;\" value=\"16850024.0\""), "{}", got.text);
        let (label, got) = recognised("orders.done:2|c|@0.1|#service:orders\norders.latency:320|ms\npool.active:7|g\n").unwrap();
        assert_eq!((label.as_str(), got.records, got.quarantined), ("metrics/statsd", 3, 0), "{}", got.text);
        assert!(
            got.text.contains("service=\"orders\" name=\"orders.done\" kind=\"Delta\" labels=\"service=orders;\" value=\"20.0\""),
            "{}",
            got.text
        );
    }

    #[test]
    fn look_alikes() {
        for text in [
            "level=info msg=up\n",
            "time=2026-11-22T19:30:00Z level=info msg=\"a b\"\n",
            "up 1 1795376013\n",
            "a.b.c 1 2\n",
            "key:value|c\n",
            "http_requests_total{a=\"b\"} 1 1795376013\n",
            "10.1.2.3 200 1795376013 x\n",
            "",
        ] {
            assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
        }
    }

    #[test]
    fn worn_lines() {
        for (text, dialect) in [
            ("a,b=c\\ d e=1i,f=\"x\" 1795376013100000000\n", Dialect::Influx),
            ("a.b;c=d 1 1795376013\n", Dialect::Graphite),
            ("a:1|c|@0.1|#b:c\n", Dialect::StatsD),
        ] {
            worn(text.as_bytes(), |bytes| stream(Box::new(dialect), bytes));
        }
    }
}
