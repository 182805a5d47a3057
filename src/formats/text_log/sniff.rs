//! Whether a file is a text log, and what its first lines teach about its pattern.

use super::layout::{self, Anchor, Layout};
use super::{NO_HINTS, TextLog, fields::Pairs, stack, uncoloured};
use crate::formats::Match;
use crate::formats::lines::LineFormat;
use crate::model::record::Level;
use crate::model::source::Head;

/// How many lines are looked at.
const MOST_LINES: usize = 400;
/// At least this share of the lines that are no stack trace has a head, in hundredths.
const LEAST_SHARE: usize = 30;

/// Recognises a text log.
pub fn sniff(head: &Head<'_>) -> Option<Match> {
    let bytes = if head.whole { head.bytes } else { &head.bytes[..memchr::memrchr(b'\n', head.bytes)? + 1] };
    // What `copytruncate` leaves before the text.
    let bytes = &bytes[bytes.iter().position(|b| *b != 0)?..];
    if memchr::memchr(0, &bytes[..bytes.len().min(512)]).is_some() {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let text = uncoloured(&text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).take(MOST_LINES).collect();
    let count = |anchor| {
        let format = TextLog::of(Layout { anchor, separator: true, logger: true });
        lines.iter().filter(|line| format.starts(line.as_bytes(), b"") && !is_of_another(line)).count()
    };
    let counts = [(count(Anchor::Time), Anchor::Time), (count(Anchor::Pairs), Anchor::Pairs), (count(Anchor::Word), Anchor::Word)];
    // The earlier anchor wins a tie: a time is the surest sign.
    let (heads, anchor) = counts.into_iter().reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    let others = lines.iter().filter(|line| !stack::belongs(line)).count().max(heads);
    let share = heads * 100 / others.max(1);
    if heads == 0 || share < LEAST_SHARE {
        return None;
    }
    let lesson = Lesson::of(&lines, anchor);
    if heads < 2 && lesson.levels == 0 && others > 1 {
        return None;
    }
    let label = lesson.label(anchor, &lines);
    // A file without any level may be anything that prints times; one without times anything that prints levels.
    let best = match anchor {
        _ if lesson.levels * 2 < heads => 40,
        Anchor::Word => 55,
        Anchor::Time | Anchor::Pairs => 70,
    };
    // Messages of several lines are normal, so that two heads among three lines are as good as all.
    let confidence = 30 + (best - 30) * (share * 3 / 2).min(100) / 100;
    let layout = Layout { anchor, separator: lesson.separators * 10 >= lesson.heads * 8, logger: lesson.loggers * 10 >= lesson.heads * 5 };
    Some(Match::lines(u8::try_from(confidence).unwrap_or(30), label, Box::new(TextLog::of(layout))))
}

/// Lines that a text log's head would fit but that others write: runtimes' wrappers and access logs with the time in front.
fn is_of_another(line: &str) -> bool {
    line.get(..60.min(line.len())).is_some_and(|start| start.contains(" stdout F ") || start.contains(" stderr F ") || start.contains(" stdout P "))
        || (line.contains(" HTTP/1.") || line.contains(" HTTP/2")) && line.contains("\" ") && !line.contains(" INFO ") && !line.contains(" DEBUG ")
}

/// What was counted over the heads.
#[derive(Default)]
struct Lesson {
    heads: usize,
    levels: usize,
    separators: usize,
    loggers: usize,
    dashes: usize,
    trailing: usize,
}

impl Lesson {
    fn of(lines: &[&str], anchor: Anchor) -> Self {
        let learning = Layout { anchor, separator: true, logger: true };
        let format = TextLog::of(learning);
        let mut lesson = Self::default();
        for line in lines.iter().filter(|line| format.starts(line.as_bytes(), b"")) {
            lesson.heads += 1;
            if anchor == Anchor::Pairs {
                lesson.levels += 1;
                continue;
            }
            let head = layout::read(line, &NO_HINTS, learning, &mut Pairs::default());
            lesson.levels += usize::from(head.level != Level::None);
            lesson.separators += usize::from(head.separator);
            lesson.loggers += usize::from(!head.logger.is_empty());
            lesson.dashes += usize::from(head.dashes);
            lesson.trailing += usize::from(head.trailing_logger);
        }
        lesson
    }

    fn label(&self, anchor: Anchor, lines: &[&str]) -> &'static str {
        let most = |n: usize| n * 2 > self.heads;
        if anchor == Anchor::Pairs {
            "text-log/logfmt"
        } else if most(self.dashes) {
            "text-log/spring-boot"
        } else if most(self.trailing) {
            "text-log/kafka"
        } else if (anchor == Anchor::Time || self.loggers > 0) && lines.iter().any(|line| is_python(line)) {
            "text-log/python"
        } else if most(self.levels) && most(self.loggers) && most(self.separators) {
            "text-log/logback"
        } else {
            "text-log/generic"
        }
    }
}

/// Python spells levels out and prints its own stack traces.
fn is_python(line: &str) -> bool {
    line.starts_with("Traceback (most recent call last)")
        || line.split([' ', ':', '[', ']', '|']).take(8).any(|word| matches!(word, "WARNING" | "CRITICAL"))
}
