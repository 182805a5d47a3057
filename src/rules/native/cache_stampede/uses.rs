//! Uses of caches: what every trace says about every entry that it used.
//!
//! The rows of a bundle are many and nearly all of them are hits, or of keys that were used once: they are sorted as numbers
//! of rows, and nothing is kept of a trace when the next one is looked at. What this file does not do: say what was loaded.

use crate::correlate::Case;
use crate::correlate::effect::CACHE;
use crate::correlate::gallop::count_before;
use crate::model::ids::{SpanId, TraceId};
use crate::model::names::{Interner, Sym};
use crate::model::tables::{Effect, Phase, Span};
use crate::rules::native::cached::{Place, place};
use std::cell::OnceCell;

/// How many callers up the request is looked for that a masked key stands for.
const DEPTH: usize = 16;
/// Spans of a trace among which one is looked for one by one.
const FEW: usize = 64;

/// What was loaded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Entry {
    /// A key that a record spells.
    Key(Place),
    /// The request, by its operation and identity, whose cached value has a masked key.
    Request(Sym, u64),
}

/// The names of operations and sources that are asked for.
pub(super) struct Words {
    cache: Sym,
    read: Sym,
    put: Sym,
    origin: Option<Sym>,
    shared: Option<Sym>,
}

impl Words {
    fn of(names: &Interner) -> Option<Self> {
        let or_none = |word| names.find(word).unwrap_or(Sym::NONE);
        Some(Self {
            cache: names.find(CACHE)?,
            read: or_none("read"),
            put: or_none("put"),
            origin: names.find("origin"),
            shared: names.find("shared"),
        })
    }

    fn is_use(&self, effect: &Effect) -> bool {
        effect.kind == self.cache && (self.is_read(effect) || self.is_put(effect)) && effect.phase == Phase::Success && effect.time.is_some()
    }

    pub(super) fn is_read(&self, effect: &Effect) -> bool {
        effect.op == self.read
    }

    pub(super) fn is_put(&self, effect: &Effect) -> bool {
        effect.op == self.put
    }

    pub(super) fn is_miss(&self, effect: &Effect) -> bool {
        self.is_read(effect) && Some(effect.source) == self.origin
    }

    pub(super) fn is_shared(&self, effect: &Effect) -> bool {
        self.is_read(effect) && Some(effect.source) == self.shared
    }

    pub(super) fn is_unclear(&self, effect: &Effect) -> bool {
        self.is_read(effect) && effect.source.is_none()
    }
}

/// Names of which something is so, a bit each.
#[derive(Default)]
struct Marks(Vec<u64>);

impl Marks {
    fn with_room(names: &Interner) -> Self {
        Self(vec![0; names.len().div_ceil(64)])
    }

    /// Marks a name; says whether it was marked before.
    fn set(&mut self, name: Sym) -> bool {
        let Some(word) = self.0.get_mut(name.0 as usize / 64) else { return false };
        let bit = 1 << (name.0 % 64);
        let before = *word & bit != 0;
        *word |= bit;
        before
    }

    fn has(&self, name: Sym) -> bool {
        self.0.get(name.0 as usize / 64).is_some_and(|word| word & 1 << (name.0 % 64) != 0)
    }
}

/// All uses of a case.
pub(super) struct Uses<'a> {
    case: &'a Case,
    pub(super) words: Words,
    /// Rows of effects with their traces, by trace and time.
    traced: Vec<(TraceId, u32)>,
    /// Rows of effects of no trace, by time.
    alone: Vec<u32>,
    /// Keys that were missed or filled by somebody, or of which nobody says whether they were found.
    loadable: Marks,
    /// Keys that were used more than once.
    again: Marks,
    /// Whether a fill may be that of a key that another record spells.
    masked_fills: bool,
}

/// One use of an entry.
#[derive(Clone, Copy)]
pub(super) struct Use<'a> {
    service: Sym,
    entry: Entry,
    /// What was said.
    pub(super) effect: &'a Effect,
}

/// What one trace says about one entry of one service, in order of time.
pub(super) struct Group<'g, 'a> {
    pub(super) service: Sym,
    pub(super) entry: Entry,
    pub(super) uses: &'g [Use<'a>],
    pub(super) tree: &'g Spans<'a>,
}

/// The spans of one trace.
pub(super) struct Spans<'a> {
    pub(super) all: &'a [Span],
    by_id: OnceCell<Vec<(SpanId, u32)>>,
}

impl<'a> Spans<'a> {
    /// The span with an id, of several the last.
    pub(super) fn with_id(&self, id: SpanId) -> Option<&'a Span> {
        if self.all.len() <= FEW {
            return self.all.iter().rfind(|span| span.id == id);
        }
        let by_id = self.by_id.get_or_init(|| {
            let mut by_id: Vec<(SpanId, u32)> = self.all.iter().zip(0..).map(|(span, at)| (span.id, at)).collect();
            by_id.sort_unstable();
            by_id
        });
        let (found, at) = by_id.get(by_id.partition_point(|(other, _)| *other <= id).checked_sub(1)?)?;
        self.all.get(*at as usize).filter(|_| *found == id)
    }
}

impl<'g, 'a> Group<'g, 'a> {
    /// What was said, in order of time.
    pub(super) fn effects(&self) -> impl DoubleEndedIterator<Item = &'a Effect> + Clone + use<'g, 'a> {
        self.uses.iter().map(|one| one.effect)
    }
}

impl<'a> Uses<'a> {
    /// Finds all uses; none if nothing speaks of caches.
    pub(super) fn of(case: &'a Case) -> Option<Self> {
        let names = &case.tables.names;
        let words = Words::of(names)?;
        let (loadable, again) = (Marks::with_room(names), Marks::with_room(names));
        let mut uses = Self { case, words, traced: Vec::new(), alone: Vec::new(), loadable, again, masked_fills: false };
        let mut used = Marks::with_room(names);
        for (effect, row) in case.tables.effects.iter().zip(0..) {
            if !uses.words.is_use(effect) {
                continue;
            }
            if effect.trace.is_none() {
                uses.alone.push(row);
            } else {
                uses.traced.push((effect.trace, row));
            }
            uses.masked_fills |= effect.key.is_none() && uses.words.is_put(effect);
            if uses.words.is_miss(effect) || uses.words.is_unclear(effect) || uses.words.is_put(effect) {
                uses.loadable.set(effect.key);
            }
            if used.set(effect.key) {
                uses.again.set(effect.key);
            }
        }
        uses.traced.sort_unstable();
        Some(uses)
    }

    /// Whether an entry may have been loaded at all.
    pub(super) fn may_load(&self, entry: Entry) -> bool {
        match entry {
            Entry::Key(place) => self.loadable.has(place.2),
            Entry::Request(..) => true,
        }
    }

    /// Whether an entry may have been used more than once.
    pub(super) fn may_return(&self, entry: Entry) -> bool {
        match entry {
            Entry::Key(place) => self.masked_fills || self.again.has(place.2),
            Entry::Request(..) => true,
        }
    }

    /// Uses in no trace, by time.
    pub(super) fn alone(&self) -> impl Iterator<Item = &'a Effect> {
        let effects = &self.case.tables.effects;
        self.alone.iter().filter_map(|row| effects.get(*row as usize))
    }

    /// Visits every trace with what it says of every entry: by service and entry, and of each in order of time.
    pub(super) fn each_trace(&self, mut visit: impl FnMut(&[Use<'a>], &Spans<'a>)) {
        let names = &self.case.tables.names;
        let (mut uses, mut masked): (Vec<Use<'a>>, Vec<&Effect>) = (Vec::new(), Vec::new());
        let mut rest = &*self.case.tables.spans;
        for rows in self.traced.chunk_by(|a, b| a.0 == b.0) {
            let trace = rows.first().map_or(TraceId::NONE, |(trace, _)| *trace);
            rest = rest.get(count_before(rest, |span| span.trace < trace)..).unwrap_or_default();
            let len = rest.iter().take_while(|span| span.trace == trace).count();
            let spans = Spans { all: rest.get(..len).unwrap_or_default(), by_id: OnceCell::new() };
            uses.clear();
            masked.clear();
            for effect in rows.iter().filter_map(|(_, row)| self.case.tables.effects.get(*row as usize)) {
                if effect.key.is_none() {
                    masked.push(effect);
                } else {
                    uses.push(Use { service: effect.service, entry: Entry::Key(place(effect, names)), effect });
                }
            }
            self.unmask(&masked, &spans, &mut uses);
            uses.sort_by_key(|one| (one.service, one.entry, one.effect.start, one.effect.time, one.effect.evidence));
            visit(&uses, &spans);
        }
    }

    /// Adds the uses whose keys are masked: a service that spells no key is taken by its requests.
    fn unmask(&self, masked: &[&'a Effect], spans: &Spans<'a>, uses: &mut Vec<Use<'a>>) {
        let spelled = uses.len();
        for &effect in masked {
            let mut own = uses.get(..spelled).unwrap_or_default().iter().filter(|one| one.service == effect.service).map(|one| one.entry);
            let entry = match own.next() {
                None => request_of(effect, spans),
                // A fill whose key is masked is that of the only key its service spells in this trace.
                Some(only) => Some(only).filter(|only| self.words.is_put(effect) && own.all(|other| other == *only)),
            };
            uses.extend(entry.map(|entry| Use { service: effect.service, entry, effect }));
        }
    }
}

/// The groups of a trace.
pub(super) fn groups<'g, 'a>(uses: &'g [Use<'a>], tree: &'g Spans<'a>) -> impl Iterator<Item = Group<'g, 'a>> {
    let same = |a: &Use<'_>, b: &Use<'_>| (a.service, a.entry) == (b.service, b.entry);
    uses.chunk_by(same).filter_map(move |uses| uses.first().map(|first| Group { service: first.service, entry: first.entry, uses, tree }))
}

/// What each service says of caches in a trace.
pub(super) fn by_service<'g, 'a>(uses: &'g [Use<'a>]) -> impl Iterator<Item = (Sym, &'g [Use<'a>])> {
    uses.chunk_by(|a, b| a.service == b.service).filter_map(|uses| uses.first().map(|first| (first.service, uses)))
}

/// The request in which a command with a masked key was sent, if its raw path tells it from others.
fn request_of(effect: &Effect, spans: &Spans<'_>) -> Option<Entry> {
    let mut span = spans.with_id(effect.span)?;
    for _ in 0..DEPTH {
        span = spans.with_id(span.parent).filter(|parent| parent.service == effect.service)?;
        if span.is_incoming() {
            return (span.strong && span.fingerprint != 0).then_some(Entry::Request(span.operation, span.fingerprint));
        }
    }
    None
}
