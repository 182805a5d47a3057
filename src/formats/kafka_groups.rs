//! Tables of `kafka-consumer-groups.sh --describe` and `rpk group describe`: how far each consumer group has read.
//!
//! ```text
//! # 2026-11-22T20:02:33Z kafka-consumer-groups.sh --bootstrap-server kafka:9092 --describe --group ledger-writer
//! GROUP           TOPIC      PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID            HOST         CLIENT-ID
//! ledger-writer   postings   0          65              92              27   ledger-writer-2-abf6d  /10.0.3.22   ledger-writer-2
//! ledger-writer   postings   1          55              81              26   -                      -            -
//! Consumer group 'order-group' has no active members.
//! ```
//!
//! Rows become metrics whose service is the group: the table knows no other name. A table has no time of its own; it is
//! that of a line which a script or `watch` printed above it, or in the name of the file. What this file does not do: say
//! which service consumes for a group; that takes other records.

use super::block_lines::{BlockLine, BlockLines, cut, evidence};
use super::lines::{Block, LineFormat};
use super::prometheus::clock::{self, Named};
use super::quantity::digits;
use super::{Confidence, Format, Match, free_text};
use crate::model::record::{Field, MetricKind, MetricRecord, Reason, Sink, Value};
use crate::model::source::{Evidence, Head};
use crate::model::time::Time;

/// Descriptions of consumer groups.
pub const FORMAT: Format = Format { name: "kafka-groups", sniff };

/// Words that a line with a time has if it is a log record and not what a script printed between two tables.
const LEVELS: &[&str] = &["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "info", "warn", "warning", "error"];

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    /// Whether times stand between the tables, so that a record begins with one.
    dated: bool,
    /// The time in the file's name, and the offset from which on it is that of another run.
    named: Option<(Named, u64)>,
}

impl Groups {
    /// For tables between the lines of another format.
    pub const EMBEDDED: Self = Self { dated: false, named: None };
}

impl LineFormat for Groups {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        if self.dated { is_dated(line) } else { header(line).is_some() }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        header(line).is_some() || is_row(line) || notice(line).is_some() || is_dated(line) && !self.dated
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let named = self.named.map(|(named, end)| (named.in_zone(block.hints.zone), end));
        let mut reader = Reader { block, time: Time::NONE, named, group: "", table: None, foreign: None };
        for line in BlockLines::of(block) {
            reader.line(&line, sink);
        }
        reader.give_back(sink);
    }
}

/// What a column says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Group,
    Topic,
    Partition,
    Current,
    End,
    Lag,
    Member,
    Host,
    Client,
    Partitions,
    Members,
    State,
    Other,
}

/// The columns of a table.
type Columns = Vec<Column>;

fn column(name: &str) -> Option<Column> {
    Some(match name {
        "GROUP" => Column::Group,
        "TOPIC" => Column::Topic,
        "PARTITION" => Column::Partition,
        "CURRENT-OFFSET" => Column::Current,
        "LOG-END-OFFSET" => Column::End,
        "LAG" => Column::Lag,
        "CONSUMER-ID" | "MEMBER-ID" | "OWNER" => Column::Member,
        "HOST" => Column::Host,
        "CLIENT-ID" => Column::Client,
        "#PARTITIONS" | "PARTITIONS" => Column::Partitions,
        "#MEMBERS" => Column::Members,
        "STATE" => Column::State,
        _ => return name.bytes().all(|b| b.is_ascii_uppercase() || b"-#()".contains(&b)).then_some(Column::Other),
    })
}

/// The columns that a line names, if it is the head of a table.
fn header(line: &[u8]) -> Option<Columns> {
    let line = line.trim_ascii();
    if !matches!(line.first(), Some(b'G' | b'T' | b'C')) || !line.is_ascii() || line.len() > 1000 {
        return None;
    }
    let words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let columns: Columns = words.map(column).collect::<Option<_>>()?;
    let has = |wanted: &[Column]| wanted.iter().all(|column| columns.contains(column));
    let known = has(&[Column::Topic, Column::Partition, Column::Current, Column::Lag])
        || has(&[Column::Member, Column::Client, Column::Partitions])
        || has(&[Column::Group, Column::State, Column::Members]);
    known.then_some(columns)
}

/// Whether a line has the shape of a row of offsets: a partition, two offsets and what is between them.
fn is_row(line: &[u8]) -> bool {
    let is_number = |word: &[u8]| word == b"-" || word.iter().all(u8::is_ascii_digit);
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(7).collect();
    words.len() >= 5 && (1..=2).any(|from| words.get(from..from + 4).is_some_and(|four| four.iter().all(|word| is_number(word))))
}

/// Whether a line tells the time of a table below it: what `date` prints, a comment, a command, or words that end with a time.
/// A log record begins with its time and goes on.
fn is_dated(line: &[u8]) -> bool {
    if !clock::is_dated(line) || is_row(line) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let has_digit = |word: &str| word.bytes().any(|b| b.is_ascii_digit());
    let marked =
        text.trim_start().starts_with(['#', '=', '-', '*', '>', '+']) || text.starts_with("Every ") || text.contains("kafka-consumer-groups");
    let only_time = words.iter().all(|word| has_digit(word) || word.len() <= 4);
    let at_end = words.len() <= 5 && words.last().is_some_and(|word| word.contains(':') && has_digit(word));
    let logged = text.split([' ', '[', ']', '\t']).any(|word| LEVELS.contains(&word));
    (marked || only_time || at_end) && !logged
}

/// What the tool says of a group in a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Notice {
    /// Nobody consumes.
    Empty,
    /// Partitions are being dealt out.
    Rebalancing,
}

/// `Warning: Consumer group 'order-group' is rebalancing.`
fn notice(line: &[u8]) -> Option<(&str, Notice)> {
    let line = std::str::from_utf8(line.trim_ascii()).ok()?;
    let (group, rest) = line.strip_prefix("Warning: ").unwrap_or(line).strip_prefix("Consumer group '")?.split_once('\'')?;
    match rest {
        " has no active members." => Some((group, Notice::Empty)),
        " is rebalancing." => Some((group, Notice::Rebalancing)),
        _ => None,
    }
}

/// The group that a command line names: `--group orders`.
fn asked_group(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("--group").or_else(|| line.split_once("group describe"))?;
    let word = after.strip_prefix('=').or_else(|| after.strip_prefix(' '))?.split_ascii_whitespace().next()?;
    Some(word.trim_matches(['\'', '"'])).filter(|word| !word.is_empty() && !word.starts_with('-'))
}

struct Reader<'b> {
    block: &'b Block<'b>,
    /// The time that a line above the table tells.
    time: Time,
    /// The time in the file's name, and the offset up to which it holds.
    named: Option<(Time, u64)>,
    /// The group that a line above the table names.
    group: &'b str,
    table: Option<Columns>,
    /// First and last of the lines that are no part of a table, until they are given back.
    foreign: Option<(BlockLine<'b>, BlockLine<'b>)>,
}

impl<'b> Reader<'b> {
    fn line(&mut self, line: &BlockLine<'b>, sink: &mut dyn Sink) {
        let bytes = line.text.as_bytes();
        let place = evidence(self.block, line.from, line.to);
        if line.is_blank() {
            return self.give_back(sink);
        }
        if let Some(columns) = header(bytes) {
            self.give_back(sink);
            self.table = Some(columns);
        } else if let Some((group, what)) = notice(bytes) {
            self.give_back(sink);
            match what {
                Notice::Empty => self.metric("kafka.consumergroup.members", &labels(&[("group", group)]), 0.0, place, sink),
                Notice::Rebalancing => self.metric("kafka.consumergroup.rebalancing", &labels(&[("group", group)]), 1.0, place, sink),
            }
        } else if self.row(line.text, place, sink) {
            self.give_back(sink);
        } else if self.table.is_some() && line.to >= self.block.evidence.len as usize && is_torn(line.text) {
            self.give_back(sink);
            sink.quarantine(place, Reason::Truncated);
        } else {
            self.between(line);
        }
    }

    /// A line that is no part of a table may say when and of which group the next one is.
    fn between(&mut self, line: &BlockLine<'b>) {
        let time = if is_dated(line.text.as_bytes()) { clock::time_in(line.text.as_bytes(), self.block.hints) } else { None };
        let group = asked_group(line.text).or_else(|| match line.text.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
            ["GROUP", group] => Some(group),
            _ => None,
        });
        self.time = time.unwrap_or(self.time);
        self.group = group.unwrap_or(self.group);
        if time.is_none() && group.is_none() {
            self.foreign = Some((self.foreign.map_or(*line, |(first, _)| first), *line));
        }
    }

    /// Reads a row; false if the line is none of this table.
    fn row(&self, text: &'b str, place: Evidence, sink: &mut dyn Sink) -> bool {
        let Some(columns) = &self.table else { return false };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let cell = |wanted: Column| {
            let at = columns.iter().position(|column| *column == wanted)?;
            // The strategy of an empty group is not printed: what stands at the end is counted from there.
            let at = if wanted == Column::Members || wanted == Column::State { at.checked_sub(columns.len().checked_sub(words.len())?)? } else { at };
            words.get(at).copied()
        };
        let named = |column| cell(column).filter(|word| *word != "-").unwrap_or_default();
        let group = if columns.contains(&Column::Group) { named(Column::Group) } else { self.group };
        let host = named(Column::Host);
        // A partition that nobody reads says so by a dash, which an exporter that tells no members does not.
        let member = cell(Column::Member).unwrap_or_default();
        let owner = [("client", named(Column::Client)), ("group", group), ("host", host.strip_prefix('/').unwrap_or(host)), ("member", member)];
        if let Some(count) = cell(Column::Members) {
            let Some(count) = digits(count) else { return false };
            let state = labels(&[("group", group), ("state", named(Column::State))]);
            self.metric("kafka.consumergroup.members", &state, count as f64, place, sink);
            return true;
        }
        if let Some(count) = cell(Column::Partitions).filter(|_| !columns.contains(&Column::Lag)) {
            let Some(count) = digits(count) else { return false };
            self.metric("kafka.consumergroup.member.partitions", &labels(&owner), count as f64, place, sink);
            return true;
        }
        let number = |column| match cell(column) {
            Some("-") => Some(None),
            Some(word) => digits(word).map(Some),
            None => None,
        };
        // The log may begin without an end offset in tables of old versions.
        let end = if columns.contains(&Column::End) { number(Column::End) } else { Some(None) };
        let (Some(partition), Some(current), Some(end), Some(lag)) = (number(Column::Partition), number(Column::Current), end, number(Column::Lag))
        else {
            return false;
        };
        if partition.is_none() {
            self.metric("kafka.consumergroup.member.partitions", &labels(&owner), 0.0, place, sink);
            return true;
        }
        let [client, group, host, member] = owner;
        let place_in_topic =
            [client, group, host, member, ("partition", cell(Column::Partition).unwrap_or_default()), ("topic", named(Column::Topic))];
        let all = labels(&place_in_topic);
        for (name, value) in
            [("kafka.consumergroup.current_offset", current), ("kafka.consumergroup.log_end_offset", end), ("kafka.consumergroup.lag", lag)]
        {
            if let Some(value) = value {
                self.metric(name, &all, value as f64, place, sink);
            }
        }
        true
    }

    fn metric(&self, name: &str, labels: &[Field<'_>], value: f64, evidence: Evidence, sink: &mut dyn Sink) {
        let service = labels.iter().find(|label| label.key == "group").and_then(|label| label.value.text()).unwrap_or_default();
        let named = self.named.filter(|(_, end)| self.time.is_none() && evidence.start < *end);
        let time = named.map_or(self.time, |(time, _)| time);
        sink.metric(&MetricRecord { time, service, instance: "", name, unit: "", kind: MetricKind::Gauge, labels, value, evidence });
    }

    /// Hands the lines that are no part of a table to the format of such lines.
    fn give_back(&mut self, sink: &mut dyn Sink) {
        if let Some((first, last)) = self.foreign.take() {
            free_text().record(&cut(self.block, &first, &last), sink);
        }
    }
}

/// Labels for what is known.
fn labels<'a>(known: &[(&'a str, &'a str)]) -> Vec<Field<'a>> {
    known.iter().filter(|(_, value)| !value.is_empty()).map(|&(key, value)| Field { key, value: Value::Text(value) }).collect()
}

/// The beginning of a row: two words at least, of which the second is a topic or a partition.
fn is_torn(text: &str) -> bool {
    let words = text.split_ascii_whitespace().count();
    (2..7).contains(&words) && text.split("  ").count() > 1
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let (mut lines, mut known, mut headers, mut dates, mut date_first) = (0, 0, 0, 0, false);
    let (mut first, mut again) = (Vec::new(), u64::MAX);
    let mut at = 0_u64;
    for line in head.bytes.split_inclusive(|&b| b == b'\n') {
        let text = line.trim_ascii();
        let is_header = header(text).is_some();
        let dated = !is_header && is_dated(text);
        let row = is_row(text);
        if row {
            // A row begins with group, topic and partition; where the first comes again, another run begins.
            let key: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(3).collect();
            if first.is_empty() {
                first = key;
            } else if again == u64::MAX && key.get(..2) == first.get(..2) && key == first {
                again = at;
            }
        }
        headers += usize::from(is_header);
        dates += usize::from(dated);
        date_first |= dated && headers == 0;
        lines += usize::from(!text.is_empty());
        known += usize::from(is_header || dated || row || notice(text).is_some());
        at += line.len() as u64;
    }
    if headers == 0 {
        return None;
    }
    let confidence: Confidence = if known * 100 >= lines * 60 { 90 } else { 30 };
    let named = clock::in_name(head.path).map(|named| (named, again));
    Some(Match::lines(confidence, "kafka-groups", Box::new(Groups { dated: date_first && dates >= headers, named })))
}

#[cfg(test)]
mod tests {
    use crate::formats::fixture::{placeless, recognised};
    use crate::formats::recognise;
    use crate::model::source::{Chunk, FileId, Head, Hints};
    use crate::model::transcript::Transcript;

    const HEAD: &str = "GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG         CONSUMER-ID                HOST            CLIENT-ID\n";
    const OWNED: &str = "ledger-writer   postings        0          65              92              27          ledger-writer-2-abf6d830    /10.0.3.22      ledger-writer-2\n";
    const ORPHAN: &str =
        "ledger-writer   postings        1          -               81              -           -                          -               -\n";

    fn told(text: &str) -> Vec<String> {
        let (label, transcript) = recognised(text).expect("is claimed");
        assert_eq!(label, "kafka-groups");
        placeless(&transcript)
    }

    fn read_at(path: &str, text: &str) -> Transcript {
        let found = recognise(&Head { path, bytes: text.as_bytes(), whole: true }).expect("is claimed");
        let mut transcript = Transcript::default();
        found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &Hints::default() }, &mut transcript);
        transcript
    }

    #[test]
    fn rows_become_metrics_of_their_snapshot() {
        let text = format!(
            "# 2026-11-22T20:02:33Z kafka-consumer-groups.sh --describe --group ledger-writer\n{HEAD}{OWNED}{ORPHAN}\n# 2026-11-22T20:02:39Z x\n\n{HEAD}{OWNED}"
        );
        let told = told(&text);
        assert_eq!(told.len(), 7, "{told:?}");
        let lag = ["kafka.consumergroup.lag", "service=\"ledger-writer\"", "27.0", "ledger-writer-2-abf6d830", "10.0.3.22", "postings"];
        for time in ["2026-11-22T20:02:33Z", "2026-11-22T20:02:39Z"] {
            assert!(told.iter().any(|line| line.contains(time) && lag.iter().all(|word| line.contains(word))), "{time}: {told:?}");
        }
        let orphan: Vec<_> = told.iter().filter(|line| line.contains("81.0")).collect();
        assert!(orphan.len() == 1 && orphan[0].contains("log_end_offset") && !orphan[0].contains("client"), "{told:?}");
    }

    #[test]
    fn a_table_without_group_takes_it_from_the_command() {
        let head = "TOPIC      PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG        CONSUMER-ID     HOST          CLIENT-ID\n";
        let row = "my-topic   0          2               4               2          consumer-1-029  /127.0.0.1    consumer-1\n";
        let watch = format!("Every 5.0s: kafka-consumer-groups.sh --describe --group orders      node-1: Sun Nov 22 20:02:33 2026\n\n{head}{row}");
        let said = told(&watch);
        assert!(said.iter().all(|line| line.contains("orders") && line.contains("2026-11-22T20:02:33Z")), "{said:?}");
        let bare = told(&format!("\n{head}{row}"));
        assert_eq!(bare.len(), 3, "{bare:?}");
        assert!(bare.iter().all(|line| !line.contains("time=")), "{bare:?}");
    }

    #[test]
    fn members_states_and_sentences() {
        let members = "GROUP  CONSUMER-ID      HOST         CLIENT-ID   #PARTITIONS     ASSIGNMENT\norders c1-3fc8d6f1      /127.0.0.1   c1          2               topic1(0), topic2(0)\n";
        let said = told(members);
        assert!(said.len() == 1 && said[0].contains("member.partitions") && said[0].contains("2"), "{said:?}");
        let state = "GROUP   COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE   #MEMBERS\norders  localhost:9092 (0)        range                Stable  4\nold     localhost:9092 (0)                             Empty   0\n";
        let said = told(state);
        assert!(said.len() == 2 && said[0].contains("Stable") && said[1].contains("Empty"), "{said:?}");
        let said = told(&format!(
            "\nConsumer group 'ledger-writer' has no active members.\n\n{HEAD}{ORPHAN}Warning: Consumer group 'ledger-writer' is rebalancing.\n"
        ));
        assert!(said.iter().any(|line| line.contains("kafka.consumergroup.rebalancing")), "{said:?}");
    }

    #[test]
    fn the_name_of_the_file_dates_its_first_run() {
        let got = read_at("lag/describe-20261122T194442Z.txt", &format!("{HEAD}{OWNED}"));
        assert_eq!(got.text.matches("2026-11-22T19:44:42Z").count(), 3, "{}", got.text);
        let got = read_at("lag/describe-20261122T194442Z.txt", &format!("{HEAD}{OWNED}\n{HEAD}{OWNED}"));
        assert_eq!(got.text.matches("2026-11-22T19:44:42Z").count(), 3, "the second run is another snapshot: {}", got.text);
    }

    #[test]
    fn other_lines_are_given_back() {
        let said = told(&format!("{HEAD}{OWNED}see the manual for more\n"));
        assert!(said.iter().any(|line| line.contains("see the manual")), "{said:?}");
        for log in ["2026-11-22 20:02:40,001 ERROR [main] a.B : broken", "2026-11-22 20:02:40 order 17 is broken"] {
            let (_, transcript) = recognised(&format!("{HEAD}{OWNED}{log}\n")).unwrap();
            assert!(transcript.text.contains("broken"), "{}", transcript.text);
        }
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in ["TOPIC OF THE DAY\nlag 3 4\n", "NAME  READY  STATUS  RESTARTS  AGE\nkafka-0  1/1  Running  0  3d\n", "GROUP\nTOPIC\n"] {
            let label = recognised(text).map(|(label, _)| label);
            assert_ne!(label.as_deref(), Some("kafka-groups"), "{text}");
        }
    }

    #[test]
    fn any_cut_is_read() {
        let text = format!("# 2026-11-22T20:02:33Z\n{HEAD}{OWNED}{ORPHAN}");
        for at in 0..text.len() {
            read_any(&text[..at]);
            read_any(&text[at..]);
        }
    }

    fn read_any(text: &str) {
        if let Some(found) = recognise(&Head { path: "", bytes: text.as_bytes(), whole: true }) {
            let mut transcript = Transcript::default();
            found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &Hints::default() }, &mut transcript);
        }
    }
}
