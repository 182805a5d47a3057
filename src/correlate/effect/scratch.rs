//! Reading a record for its words and values, in buffers that serve one record after the other.
//!
//! What many records share is looked up once: what a field name means, and how prose of one shape is read. What this file does
//! not do: make effects.

use crate::correlate::effect::call::Call;
use crate::correlate::effect::gate::Present;
use crate::correlate::effect::lexicon::{Hit, Lexicon, Reading, Role};
use crate::correlate::effect::pairs::{self, Joint};
use crate::correlate::effect::values::{self, Names, Pair, Standing, Values};
use crate::correlate::effect::{CACHE, PAYMENT, Words, cache, money, phrase, prose};
use crate::correlate::near::Near;
use crate::model::record::{Field, LogRecord, SpanRecord, Value};
use std::ops::Range;

/// Readings remembered; a bundle that has more has no templates.
const MOST_READ: usize = 1 << 14;

/// What is read of one record, in buffers that are used again for the next.
#[derive(Debug)]
pub(super) struct Scratch<'l> {
    lexicon: &'l Lexicon,
    names: Names<'l>,
    prose: String,
    /// Identity of how the prose is read.
    shape: u64,
    hits: Vec<Hit>,
    /// How prose of a shape is read by a family.
    readings: Near<(u64, usize), Reading>,
    said: Reading,
    told: String,
    told_hits: Vec<Hit>,
    events: String,
    event_hits: Vec<Hit>,
    pairs: Vec<Pair>,
    cut: Vec<Range<usize>>,
}

impl<'l> Scratch<'l> {
    pub(super) fn new(lexicon: &'l Lexicon) -> Self {
        Self {
            lexicon,
            names: Names::new(lexicon),
            prose: String::new(),
            shape: 0,
            hits: Vec::new(),
            readings: Near::default(),
            said: Reading::default(),
            told: String::new(),
            told_hits: Vec::new(),
            events: String::new(),
            event_hits: Vec::new(),
            pairs: Vec::new(),
            cut: Vec::new(),
        }
    }

    /// Takes in the text of a log record.
    pub(super) fn take_text(&mut self, message: &str) {
        values::pairs_in(message, &mut self.pairs, &mut self.cut);
        self.prose.clear();
        prose::push(message, &self.cut, &mut self.prose);
        self.shape = self.lexicon.shape(&self.prose);
    }

    /// Takes in the words of what a span does.
    pub(super) fn take_words(&mut self, span: &SpanRecord<'_>, call: &Call<'_>) {
        self.prose.clear();
        call.push_words(span, &mut self.prose);
        self.shape = self.lexicon.shape(&self.prose);
    }

    /// What the fields of a record and the pairs in its text say to a family.
    pub(super) fn read_log<'a>(&mut self, family: usize, fields: &[Field<'a>], message: &'a str, values: &mut Values<'a>) {
        self.begin();
        self.add(fields, values);
        for (name, value, standing) in self.pairs.iter().filter_map(|pair| pair.of(message)) {
            values.add(self.names.of(name), name, Value::Text(value), standing, &mut self.told, &mut self.events);
        }
        self.scan(family);
    }

    /// What fields say to a family.
    pub(super) fn read_fields<'a>(&mut self, family: usize, fields: &[Field<'a>], values: &mut Values<'a>) {
        self.begin();
        self.add(fields, values);
        self.scan(family);
    }

    fn begin(&mut self) {
        self.told.clear();
        self.events.clear();
    }

    fn add<'a>(&mut self, fields: &[Field<'a>], values: &mut Values<'a>) {
        for field in fields {
            values.add(self.names.of(field.key), field.key, field.value, Standing::Own, &mut self.told, &mut self.events);
        }
    }

    /// Reads the words. Prose is much the same from record to record, and prose of one shape is read once.
    fn scan(&mut self, family: usize) {
        let (lexicon, prose, hits) = (self.lexicon, &self.prose, &mut self.hits);
        self.readings.bound(MOST_READ);
        self.said = *self.readings.of((self.shape, family), self.shape ^ family as u64, || {
            lexicon.scan(prose, hits);
            lexicon.read(family, prose, hits)
        });
        lexicon.scan(&self.told, &mut self.told_hits);
        lexicon.scan(&self.events, &mut self.event_hits);
    }

    pub(super) fn words(&self, family: usize) -> Words<'_> {
        Words {
            lexicon: self.lexicon,
            index: family,
            family: &self.lexicon.families()[family],
            prose: &self.prose,
            said: self.said,
            told: self.lexicon.read(family, &self.told, &self.told_hits),
            event: self.lexicon.read(family, &self.events, &self.event_hits),
        }
    }
}

/// Which families a log record may belong to, by its words and the names of its fields, never by their values.
pub(super) fn families_of_log(text: &mut Scratch<'_>, lexicon: &Lexicon, record: &LogRecord<'_>) -> u64 {
    let message = prose::head(record.message);
    let mut present = Present::default();
    for field in record.fields {
        present.add(&mut text.names, field.key);
    }
    text.cut.clear();
    let (cut, names) = (&mut text.cut, &mut text.names);
    pairs::scan(message, |name, _, joint, range| {
        present.add(names, name);
        if joint == Joint::Field {
            cut.push(range);
        }
    });
    text.prose.clear();
    prose::push(message, &text.cut, &mut text.prose);
    lexicon.scan(&text.prose, &mut text.hits);
    present.amount |= money::find(message).is_some();
    present.thing |= phrase::thing(message).is_some();
    families(text, lexicon, &present, false, |_| false)
}

pub(super) fn families_of_span(text: &mut Scratch<'_>, lexicon: &Lexicon, record: &SpanRecord<'_>, call: &Call<'_>, by_path: bool) -> u64 {
    let mut present = Present::default();
    for attribute in record.attributes {
        present.add(&mut text.names, attribute.key);
    }
    text.prose.clear();
    call.push_words(record, &mut text.prose);
    lexicon.scan(&text.prose, &mut text.hits);
    let payment_route = call.may_change() && (!call.path.is_empty() || !call.procedure.is_empty());
    let cached = !call.system.is_empty();
    let updates = by_path || present.entity && present.roles.iter().any(|&(_, role)| role == Role::Version);
    families(text, lexicon, &present, by_path, |family| match family {
        PAYMENT => payment_route || call.writes_rows(),
        CACHE => cached || updates,
        _ => false,
    })
}

/// A family may be meant if a required role is present (or `without` allows that none is), and something names an operation;
/// a path that is written to does both.
fn families(text: &Scratch<'_>, lexicon: &Lexicon, present: &Present, by_path: bool, without: impl Fn(&str) -> bool) -> u64 {
    let mut bits = 0;
    for (index, family) in lexicon.families().iter().enumerate().take(64) {
        let has = |role: Role| {
            present.roles.contains(&(index, role)) || (role == Role::Token && present.entity) || (role == Role::Amount && present.amount)
        };
        let required = family.requires.is_empty() || family.requires.iter().any(|&role| has(role));
        let reading = lexicon.read(index, &text.prose, &text.hits);
        let named = reading.operation.is_some() || has(Role::Status) || has(Role::Source) || (has(Role::Outcome) && reading.phase.is_some());
        let updates = family.name == CACHE && (by_path || present.entity && has(Role::Version));
        // Whose words leave no doubt that a cache is meant may spell the key in its prose.
        let spelled = family.name == CACHE && (present.thing || cache::is_explicit(family, &reading));
        if (required || spelled || without(&family.name)) && (named || updates) {
            bits |= 1 << index;
        }
    }
    bits
}
