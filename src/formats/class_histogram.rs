//! Class histograms: `jmap -histo[:live]` and `jcmd GC.class_histogram`, in a file of their own or in a log.
//!
//! ```text
//!  num     #instances         #bytes  class name (module)
//!    1:         49137       12090680  [B (java.base@17.0.15)
//! Total        133597       14877128
//! ```
//!
//! A record is a whole table. A table that ends without its last line is kept, with the sums of the rows there are.
//! What this file does not do: find the time of a table (it has none), or bring names that vary between runs together.

use super::block_lines::{BlockLine, BlockLines, cut, evidence};
use super::lines::{Block, LineFormat};
use super::quantity::digits;
use super::thread_dump::is_pid;
use super::{Confidence, Format, Match, free_text};
use crate::model::jvm::{ClassHistogram, ClassRow};
use crate::model::record::{Reason, Sink};
use crate::model::source::Head;
use memchr::memmem;

/// Class histograms.
pub const FORMAT: Format = Format { name: "class-histogram", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    embedded: bool,
}

impl Histogram {
    /// For files of histograms: the process number above one is known, too.
    pub const MAIN: Self = Self { embedded: false };
    /// For histograms between the lines of another format.
    pub const EMBEDDED: Self = Self { embedded: true };
}

impl LineFormat for Histogram {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        is_header(line) || (!self.embedded && is_pid(line))
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        matches!(line.first(), Some(b' ' | b'0'..=b'9')) && std::str::from_utf8(line).is_ok_and(|line| row(line).is_some())
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut lines = BlockLines::of(block);
        let Some(header) = lines.next() else { return };
        if is_header(header.text.as_bytes()) {
            Reader { block, rows: Vec::new(), total: None, end: header.to, foreign: None }.read(lines, sink);
        } else if !is_pid(block.text.trim_ascii_end().as_bytes()) {
            free_text().record(block, sink);
        }
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let lines = head.bytes.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let above = lines.clone().take_while(|line| !is_header(line)).count();
    let header = lines.clone().nth(above)?;
    let confidence: Confidence = match above {
        0 => 90,
        1 if lines.clone().next().is_some_and(|line| is_pid(line.trim_ascii_end())) => 90,
        _ => 30,
    };
    is_header(header).then(|| Match::lines(confidence, "class-histogram", Box::new(Histogram::MAIN)))
}

fn is_header(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'n'))
        && line.trim_ascii_start().starts_with(b"num ")
        && [&b"#instances"[..], b"#bytes", b"class name"].iter().all(|column| memmem::find(line, column).is_some())
}

struct Reader<'b> {
    block: &'b Block<'b>,
    rows: Vec<ClassRow<'b>>,
    /// Instances and bytes as the last line has them.
    total: Option<(u64, u64)>,
    /// End of the last line that is part of the table.
    end: usize,
    /// First and last of the lines that are not, until they are given back.
    foreign: Option<(BlockLine<'b>, BlockLine<'b>)>,
}

impl<'b> Reader<'b> {
    fn read(mut self, mut lines: BlockLines<'b>, sink: &mut dyn Sink) {
        while let Some(line) = lines.next() {
            if line.is_blank() || self.line(&line) {
                self.give_back(sink);
            } else if self.total.is_none() && line.text.trim_ascii_start().starts_with(|c: char| c.is_ascii_digit()) {
                let mut rest = lines.clone();
                let reason = if rest.all(|later| later.is_blank()) { Reason::Truncated } else { Reason::Malformed };
                sink.quarantine(evidence(self.block, line.from, line.to), reason);
            } else {
                self.foreign = Some((self.foreign.map_or(line, |(first, _)| first), line));
            }
        }
        self.give_back(sink);
        let evidence = evidence(self.block, 0, self.end);
        if self.rows.is_empty() {
            sink.quarantine(evidence, Reason::Truncated);
            return;
        }
        let (instances, bytes) = self.total.unwrap_or_else(|| {
            self.rows.iter().fold((0, 0), |(i, b): (u64, u64), row| (i.saturating_add(row.instances), b.saturating_add(row.bytes)))
        });
        sink.class_histogram(&ClassHistogram { rows: self.rows, instances, bytes, evidence, ..ClassHistogram::default() });
    }

    /// Reads a line; false if it is no part of the table.
    fn line(&mut self, line: &BlockLine<'b>) -> bool {
        if self.total.is_some() {
            return is_pid(line.text.as_bytes());
        }
        if let Some(row) = row(line.text) {
            self.rows.push(ClassRow { evidence: evidence(self.block, line.from, line.to), ..row });
        } else if let Some(total) = total(line.text) {
            self.total = Some(total);
        } else if !line.text.starts_with("-----") {
            return false;
        }
        self.end = line.to;
        true
    }

    /// Hands the lines that are not part of the table to the format of such lines.
    fn give_back(&mut self, sink: &mut dyn Sink) {
        if let Some((first, last)) = self.foreign.take() {
            free_text().record(&cut(self.block, &first, &last), sink);
        }
    }
}

/// `   1:         49137       12090680  [B (java.base@17.0.15)`
fn row(line: &str) -> Option<ClassRow<'_>> {
    let (number, rest) = line.trim_ascii().split_once(':')?;
    digits(number)?;
    let (instances, rest) = rest.trim_ascii_start().split_once(' ')?;
    let (bytes, class) = rest.trim_ascii_start().split_once(' ')?;
    let class = class.trim_ascii_start();
    let class = class.rsplit_once(" (").filter(|(_, module)| module.ends_with(')')).map_or(class, |(class, _)| class);
    Some(ClassRow { class, instances: digits(instances)?, bytes: digits(bytes)?, ..ClassRow::default() }).filter(|row| !row.class.is_empty())
}

/// `Total        133597       14877128`
fn total(line: &str) -> Option<(u64, u64)> {
    let mut words = line.strip_prefix("Total ")?.split_ascii_whitespace();
    let total = (digits(words.next()?)?, digits(words.next()?)?);
    words.next().is_none().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::lines::LineStream;
    use crate::model::source::{Chunk, FileId, Hints};
    use crate::model::transcript::Transcript;

    const TABLE: &str = " num     #instances         #bytes  class name (module)\n\
        -------------------------------------------------------\n   \
        1:             4            400  [B (java.base@17.0.15)\n   \
        2:             3             30  com.acme.Order$$Lambda$14/0x00007f396d00b220\n\
        1083:             1              8  <no name>\n\
        Total             8            438\n";

    fn parse(text: &str) -> Transcript {
        let hints = Hints::default();
        let mut transcript = Transcript::default();
        LineStream::new(Box::new(Histogram::MAIN)).parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &hints }, &mut transcript);
        transcript
    }

    #[test]
    fn tables_behind_one_another() {
        let got = parse(&format!("9066:\n{TABLE}\n9066:\n{TABLE}"));
        let table = "rows=\"3\" instances=\"8\" bytes=\"438\"\n  [B 4 400\n  com.acme.Order$$Lambda$14/0x00007f396d00b220 3 30\n  <no name> 1 8\n";
        let len = TABLE.len() - 1;
        assert_eq!(got.text, format!("class-histogram @6+{len} {table}class-histogram @{}+{len} {table}", TABLE.len() + 13));
        assert_eq!(got.quarantined, 0);
    }

    #[test]
    fn a_cut_table_has_the_sums_of_its_rows() {
        let got = parse(TABLE.split_once("1083").map_or("", |(above, _)| above));
        assert!(got.text.contains("rows=\"2\" instances=\"7\" bytes=\"430\""), "{}", got.text);
        let got = parse(TABLE.split_once("3             30").map_or("", |(above, _)| above));
        assert!(got.text.contains("rows=\"1\"") && got.text.contains("truncated"), "{}", got.text);
        assert_eq!(parse(TABLE.lines().next().unwrap_or_default()).text, "quarantine @0+55 truncated\n");
    }

    #[test]
    fn other_lines_are_given_back() {
        let got = parse(&format!("{TABLE}bye\n\n  and more\n"));
        let want = format!("log @{}+3 message=\"bye\"\nlog @{}+10 message=\"  and more\"", TABLE.len(), TABLE.len() + 5);
        assert!(got.text.starts_with(&want), "{}", got.text);
        let got = parse(&TABLE.replace("   2:", "hello\n   2:").replace("3             30", "3 x"));
        assert!(got.text.contains("5 message=\"hello\"") && got.text.contains("malformed") && got.text.contains("rows=\"2\""), "{}", got.text);
    }

    #[test]
    fn any_cut_is_read() {
        for (at, _) in TABLE.char_indices() {
            parse(&TABLE[..at]);
            parse(&TABLE[at..]);
        }
    }
}
