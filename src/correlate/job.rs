//! Runs of scheduled jobs, out of log records of scheduler threads and job classes, and out of spans of schedulers.
//!
//! ```text
//! [scheduling-1] c.a.billing.InvoiceReminderJob : Scheduled job invoiceReminderJob started       began
//! [scheduling-1] c.a.billing.InvoiceReminderJob : Reminder mail sent invoice=INV-7               touched invoice=INV-7
//! [scheduling-1] c.a.billing.InvoiceReminderJob : not the leader, skipping                       skipped
//! ```
//!
//! A console cuts thread names to their last fifteen characters and abbreviates loggers, hence endings decide. What this file
//! does not do: put marks together to runs; locks of libraries are signals, see `rules/signals/jobs.yaml`.

use crate::correlate::recall::Recall;
use crate::model::job::{JobMark, Mark};
use crate::model::names::{Interner, Sym};
use crate::model::record::{Field, LogRecord, SpanKind, SpanRecord, Value};

/// Ends of class names that stand for scheduled work.
const CLASSES: &[&str] = &["Job", "Jobs", "Task", "Tasks", "Scheduler", "Cron", "Batch", "Tasklet"];

/// Beginnings of words that say so; the first that a message holds decides.
const WORDS: &[(&str, Mark)] = &[
    ("skip", Mark::Skipped),
    ("not leader", Mark::Skipped),
    ("not the leader", Mark::Skipped),
    ("already running", Mark::Skipped),
    ("already locked", Mark::Skipped),
    ("standby", Mark::Skipped),
    ("not executing", Mark::Skipped),
    ("finish", Mark::Ended),
    ("complet", Mark::Ended),
    ("done", Mark::Ended),
    ("ended", Mark::Ended),
    ("failed", Mark::Ended),
    ("start", Mark::Began),
    ("begin", Mark::Began),
    ("began", Mark::Began),
    ("running", Mark::Began),
    ("executing", Mark::Began),
    ("launch", Mark::Began),
    ("triggered", Mark::Began),
    ("kicked off", Mark::Began),
    ("kicking off", Mark::Began),
];

/// Keys whose values say how much or how long, not what.
const MEASURES: &[&str] = &[
    "ms", "millis", "seconds", "duration", "took", "elapsed", "time", "count", "size", "total", "rows", "items", "n", "page", "attempt", "of",
    "status",
];

/// Longest message that is looked at: a mark stands at its beginning.
const LONGEST: usize = 400;

/// Remembers which loggers belong to scheduled work.
#[derive(Debug, Default)]
pub struct Jobs {
    loggers: Recall<bool>,
    text: String,
}

impl Jobs {
    /// The mark that a log record is, if any; `by_thread` says that its thread [is a scheduler's](is_scheduler_thread).
    pub fn of_log(&mut self, record: &LogRecord<'_>, by_thread: bool, (service, instance): (Sym, Sym), names: &mut Interner) -> Option<JobMark> {
        let by_class = self.loggers.of(record.logger, is_job_class);
        if !by_class && !by_thread {
            return None;
        }
        let message = record.message.get(..LONGEST).unwrap_or(record.message);
        self.text.clear();
        self.text.extend(message.chars().map(|c| c.to_ascii_lowercase()));
        let word = WORDS.iter().find(|(word, _)| begins_a_word(&self.text, word)).map(|(_, mark)| *mark);
        let key = key_in(message).or_else(|| record.fields.iter().find_map(key_of_field));
        let mark = word.or(key.is_some().then_some(Mark::Touched))?;
        let class = last_segment(record.logger);
        let job = job_named(message).unwrap_or(if by_class { class } else { "" });
        Some(JobMark {
            time: record.time,
            trace: record.trace,
            service,
            instance,
            job: names.intern(job),
            mark,
            key: key.map_or(Sym::NONE, |(key, value)| names.intern(&format!("{key}={value}"))),
            source: names.intern(if class.is_empty() { record.thread } else { class }),
            evidence: record.evidence,
        })
    }
}

/// Begin and end of a scheduler's span, if it is one: work that nobody called, under a scheduler's attributes or name.
pub fn of_span(record: &SpanRecord<'_>, service: Sym, instance: Sym, names: &mut Interner) -> Option<[JobMark; 2]> {
    if !record.parent.is_none() || !matches!(record.kind, SpanKind::Internal | SpanKind::Unspecified) {
        return None;
    }
    let text = |keys: &[&str]| record.attributes.iter().find(|field| keys.contains(&field.key)).and_then(|field| field.value.text());
    let named = record.name.strip_prefix("task ");
    let function = text(&["code.function.name", "code.function"]);
    if text(&["job.system"]).is_none() && named.is_none() && !function.is_some_and(|_| record.name.split('.').next().is_some_and(is_job_class)) {
        return None;
    }
    let job = names.intern(named.unwrap_or(record.name));
    let mark =
        |mark, time| JobMark { time, trace: record.trace, service, instance, job, mark, key: Sym::NONE, source: job, evidence: record.evidence };
    Some([mark(Mark::Began, record.start), mark(Mark::Ended, record.end)])
}

/// `scheduling-1`, `taskScheduler-2`, `quartzScheduler_Worker-1`, also with their heads cut off.
#[must_use]
pub fn is_scheduler_thread(thread: &str) -> bool {
    let name = thread.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_', '#', ' ']).to_ascii_lowercase();
    name != thread && ["scheduling", "scheduler", "scheduler_worker", "cheduler_worker", "cron", "beat"].iter().any(|end| name.ends_with(end))
}

fn is_job_class(logger: &str) -> bool {
    let class = last_segment(logger);
    let class = class.split(['$', '@']).next().unwrap_or(class);
    CLASSES.iter().any(|end| class.len() > end.len() && class.ends_with(end) && class.as_bytes()[class.len() - end.len() - 1].is_ascii_alphanumeric())
        && !class.ends_with("TaskScheduler")
}

fn last_segment(logger: &str) -> &str {
    logger.rsplit(['.', ':', '/']).next().unwrap_or(logger)
}

/// Whether the text holds `word` where a word begins, and not behind `not yet` or as part of `restart`.
fn begins_a_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric()))
}

/// The job that a message names: `job invoiceReminder`, `task 'export'`, `InvoiceReminderJob`.
fn job_named(message: &str) -> Option<&str> {
    let clean = |word: &'_ str| -> Option<(usize, usize)> {
        let from = word.find(|c: char| c.is_ascii_alphabetic())?;
        let len = word[from..].find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(word.len() - from);
        Some((from, from + len))
    };
    let mut words = message.split_ascii_whitespace().take(12).peekable();
    while let Some(word) = words.next() {
        let Some((from, end)) = clean(word) else { continue };
        let name = word[from..end].trim_end_matches('.');
        if name.len() > 3 && is_job_class(name) {
            return Some(name);
        }
        if ["job", "task", "tasklet", "batch"].iter().any(|noun| name.eq_ignore_ascii_case(noun))
            && let Some((next, (from, end))) = words.peek().and_then(|next| Some((*next, clean(next)?)))
        {
            let next = next[from..end].trim_end_matches('.');
            let is_verb = WORDS.iter().any(|(verb, _)| next.to_ascii_lowercase().starts_with(verb)) || next.len() < 3;
            if !is_verb && !["with", "for", "has", "was", "execution", "run", "run:", "and"].contains(&next) {
                return Some(next);
            }
        }
    }
    None
}

/// The first `key=value` or `key: value` whose value names one thing among many.
fn key_in(message: &str) -> Option<(&str, &str)> {
    let mut before = "";
    for word in message.split([' ', ',', ';', '(', ')', '[', ']']) {
        if let Some((key, value)) = word.split_once('=').filter(|(key, value)| names_one(key, value)) {
            return Some((key, value.trim_matches(['"', '\''])));
        }
        let key = before.trim_end_matches(':');
        let of_kind = key.len() > 2 && key.bytes().all(|b| b.is_ascii_alphabetic()) && word.bytes().any(|b| b.is_ascii_alphabetic());
        if of_kind && names_one(key, word) && word.len() >= 4 {
            return Some((key, word));
        }
        before = word;
    }
    None
}

fn names_one(key: &str, value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    let is_id = value.len() <= 80
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'@' | b'.' | b'/' | b':'));
    let lower = key.trim_matches(['"', '\'']).to_ascii_lowercase();
    let measured = MEASURES.iter().any(|word| lower == *word || lower.ends_with(&format!("_{word}"))) || value.ends_with("ms") || value.contains(':');
    is_id && !measured && !lower.is_empty()
}

fn key_of_field<'a>(field: &Field<'a>) -> Option<(&'a str, &'a str)> {
    let Value::Text(text) = field.value else { return None };
    let lower = field.key.to_ascii_lowercase();
    let is_key = ["id", "number", "email", "recipient", "invoice", "order", "customer", "account", "shard", "partition", "tenant"];
    (is_key.iter().any(|end| lower.ends_with(end)) && !lower.contains("trace") && !lower.contains("span") && names_one(field.key, text))
        .then_some((field.key, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(thread: &str, logger: &str, message: &str) -> String {
        let mut names = Interner::default();
        let record = LogRecord { thread, logger, message, ..LogRecord::default() };
        match Jobs::default().of_log(&record, is_scheduler_thread(record.thread), (Sym::NONE, Sym::NONE), &mut names) {
            Some(mark) => format!("{:?} {} {}", mark.mark, names.get(mark.job), names.get(mark.key)).trim_end().to_owned(),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn marks_of_log_records() {
        let class = "com.acme.billing.InvoiceReminderJob";
        assert_eq!(told("scheduling-1", class, "Scheduled job invoiceReminderJob started"), "Began invoiceReminderJob");
        assert_eq!(told("scheduling-1", class, "Scheduled job invoiceReminderJob completed in 412 ms"), "Ended invoiceReminderJob");
        assert_eq!(told("scheduling-1", class, "Reminder mail sent invoice=INV-7"), "Touched InvoiceReminderJob invoice=INV-7");
        assert_eq!(told("cheduler_Worker-3", "c.a.Nightly", "Starting settlement shard=0"), "Began  shard=0");
        assert_eq!(told("x", "o.a.ReportJob", "not the leader, skipping"), "Skipped ReportJob");
        assert_eq!(told("http-nio-8080-exec-1", "com.acme.OrderController", "Started order=7"), "none");
        assert_eq!(told("main", "o.s.s.c.ThreadPoolTaskScheduler", "Initializing ExecutorService"), "none");
        assert_eq!(told("scheduling-1", "c.a.Warm", "took=12 rows=400"), "none", "how much is no key");
    }
}
