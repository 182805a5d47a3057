//! Which effects speak about one and the same payment, and how often it was executed.
//!
//! Effects of one operation belong together if they share an idempotency key, a charge id, an order with its amount, or,
//! for spans that name no order, one trace and request. Then executions are counted: by distinct charge ids if there are
//! any, else by the busiest single place that reports success, because gateway, service, ledger and mailer each report
//! the same one. What this file does not do: weigh the evidence.

use crate::correlate::Case;
use crate::correlate::effect::{NOTICE, PAYMENT};
use crate::model::ids::{SpanId, TemplateId, TraceId};
use crate::model::names::{Interner, Sym};
use crate::model::tables::{Effect, Phase, Span};
use crate::model::time::Time;
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

/// One payment that was asked for, with everything that was said about it.
#[derive(Clone, Debug, Default)]
pub struct Payment<'a> {
    /// Everything said of this operation, in order of time.
    pub effects: Vec<&'a Effect>,
    /// Its executions, in order of time.
    pub charges: Vec<Charge<'a>>,
    /// Whether executions are told apart by charge ids.
    pub by_ids: bool,
    /// Whether a called service's own spans say that it executed.
    pub by_server: bool,
    /// Order.
    pub key: Sym,
    /// Tenant.
    pub space: Sym,
    /// Operation.
    pub op: Sym,
    /// Who executed, or who called if only callers speak.
    pub service: Sym,
    /// The called side, if only callers speak.
    pub peer: Sym,
}

/// One execution.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// What says so.
    pub effect: &'a Effect,
    /// Its idempotency key, said here or beside the same charge id.
    pub token: Sym,
    /// When the executing side was done.
    pub time: Time,
}

/// A map whose order is never looked at.
type Table<K, V> = HashMap<K, V, FixedState>;

/// The spans that payments need: their own, and the called side of the calling ones.
#[derive(Debug, Default)]
pub struct Spans<'a> {
    own: Table<(TraceId, SpanId), &'a Span>,
    called: Table<(TraceId, SpanId), &'a Span>,
}

impl<'a> Spans<'a> {
    /// Looks up, in one pass over the spans, those that the effects came from and their called sides.
    #[must_use]
    pub fn of(case: &'a Case, effects: &[&Effect]) -> Self {
        let wanted: HashSet<(TraceId, SpanId), FixedState> = effects.iter().filter(|e| e.from_span).map(|e| (e.trace, e.span)).collect();
        let mut spans = Self::default();
        if wanted.is_empty() {
            return spans;
        }
        for span in &case.tables.spans {
            if wanted.contains(&(span.trace, span.id)) {
                spans.own.insert((span.trace, span.id), span);
            }
            if span.is_incoming() && wanted.contains(&(span.trace, span.parent)) {
                spans.called.insert((span.trace, span.parent), span);
            }
        }
        spans
    }

    /// The span an effect came from.
    #[must_use]
    pub fn own(&self, effect: &Effect) -> Option<&'a Span> {
        self.own.get(&(effect.trace, effect.span)).copied().filter(|_| effect.from_span)
    }

    /// The called side of the calling span an effect came from.
    #[must_use]
    pub fn called(&self, effect: &Effect) -> Option<&'a Span> {
        self.own(effect).filter(|span| span.is_outgoing())?;
        self.called.get(&(effect.trace, effect.span)).copied()
    }
}

/// Every effect of the family in order of time, refunds included. Who says a thing first has done it, so that the clocks of
/// hosts must agree first.
#[must_use]
pub fn effects(case: &Case) -> Vec<&Effect> {
    let Some(kind) = case.tables.names.find(PAYMENT) else { return Vec::new() };
    let mut effects: Vec<&Effect> = case.tables.effects.iter().filter(|e| e.kind == kind && !e.op.is_none()).collect();
    let clocks = &case.context.clocks;
    effects.sort_by_cached_key(|e| (clocks.settled(e.service, e.instance, e.time), e.evidence));
    effects
}

/// The payments that the effects speak of, the earliest first. Refunds are no payments.
#[must_use]
pub fn payments<'a>(effects: &[&'a Effect], spans: &Spans<'a>, names: &Interner) -> Vec<Payment<'a>> {
    let facts: Vec<&'a Effect> = effects.iter().copied().filter(|e| names.get(e.op) != "refund").collect();
    let languages = Languages::of(&facts);
    let mut payments = Vec::new();
    for group in groups(&facts, spans, names) {
        for part in parts(&group, names) {
            payments.push(count(part, spans, &languages, names));
        }
    }
    payments.sort_by_key(|p| p.effects.first().map(|e| (e.time, e.evidence)));
    payments
}

/// What two effects may share that makes them one payment.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Bond {
    Token(Sym, Sym),
    Outcome(Sym, Sym),
    Order(Sym, Sym, Sym, u64),
    Request(Sym, TraceId, Sym, u64),
    CalledBy(Sym, TraceId, SpanId),
}

fn groups<'a>(facts: &[&'a Effect], spans: &Spans<'a>, names: &Interner) -> Vec<Vec<&'a Effect>> {
    // An order that is seen with one amount only lends it to effects that name none.
    let mut amounts: Table<(Sym, Sym, Sym), BTreeSet<u64>> = Table::default();
    for fact in facts.iter().filter(|f| !f.key.is_none() && !f.amount.is_none()) {
        amounts.entry((fact.op, fact.space, fact.key)).or_default().insert(digits(names.get(fact.amount)));
    }
    let mut sets = Sets::new(facts.len());
    let mut first: Table<Bond, usize> = Table::default();
    for (index, fact) in facts.iter().enumerate() {
        let mut bonds = [None; 4];
        if !fact.token.is_none() {
            bonds[0] = Some(Bond::Token(fact.op, fact.token));
        }
        if !fact.outcome.is_none() {
            bonds[1] = Some(Bond::Outcome(fact.op, fact.outcome));
        }
        if !fact.key.is_none() {
            let known = amounts.get(&(fact.op, fact.space, fact.key));
            let amount = match (fact.amount.is_none(), known) {
                (false, _) => digits(names.get(fact.amount)),
                (true, Some(known)) if known.len() == 1 => known.first().copied().unwrap_or(0),
                _ => 0,
            };
            bonds[2] = Some(Bond::Order(fact.op, fact.space, fact.key, amount));
        } else if fact.token.is_none()
            && fact.outcome.is_none()
            && let Some(span) = spans.own(fact)
        {
            // The called side joins the call it answers, calls of one service with one request join each other.
            bonds[2] = Some(if span.is_outgoing() {
                Bond::CalledBy(fact.op, span.trace, span.id)
            } else {
                Bond::CalledBy(fact.op, span.trace, span.parent)
            });
            bonds[3] = span.is_outgoing().then_some(Bond::Request(fact.op, span.trace, span.service, span.fingerprint));
        }
        for bond in bonds.into_iter().flatten() {
            let other = *first.entry(bond).or_insert(index);
            sets.join(index, other);
        }
    }
    let mut by_root: BTreeMap<usize, Vec<&'a Effect>> = BTreeMap::new();
    for (index, fact) in facts.iter().enumerate() {
        by_root.entry(sets.root(index)).or_default().push(fact);
    }
    by_root.into_values().collect()
}

/// Parts of a group that differ in something known: order, tenant, payer, instalment or amount.
fn parts<'a>(group: &[&'a Effect], names: &Interner) -> Vec<Vec<&'a Effect>> {
    let only = |of: fn(&Effect) -> Sym| {
        let known: BTreeSet<Sym> = group.iter().map(|e| of(e)).filter(|s| !s.is_none()).collect();
        if known.len() == 1 { known.first().copied().unwrap_or_default() } else { Sym::NONE }
    };
    let (key, space, party, version) = (only(|e| e.key), only(|e| e.space), only(|e| e.party), only(|e| e.version));
    let amounts: BTreeSet<u64> = group.iter().filter(|e| !e.amount.is_none()).map(|e| digits(names.get(e.amount))).collect();
    let amount = if amounts.len() == 1 { amounts.first().copied().unwrap_or(0) } else { 0 };
    let mut parts: BTreeMap<_, Vec<&'a Effect>> = BTreeMap::new();
    for effect in group {
        let own = if effect.amount.is_none() { amount } else { digits(names.get(effect.amount)) };
        parts.entry((effect.key.or(key), effect.space.or(space), effect.party.or(party), effect.version.or(version), own)).or_default().push(effect);
    }
    parts.into_values().collect()
}

fn count<'a>(effects: Vec<&'a Effect>, spans: &Spans<'a>, languages: &Languages, names: &Interner) -> Payment<'a> {
    let some = |of: fn(&Effect) -> Sym| effects.iter().map(|e| of(e)).find(|s| !s.is_none()).unwrap_or_default();
    let mut payment = Payment { key: some(|e| e.key), space: some(|e| e.space), op: some(|e| e.op), ..Payment::default() };
    let tokens: Table<Sym, Sym> = effects.iter().filter(|e| !e.outcome.is_none() && !e.token.is_none()).map(|e| (e.outcome, e.token)).collect();
    let failed: BTreeSet<Sym> = effects.iter().filter(|e| e.phase == Phase::Failure && !e.outcome.is_none()).map(|e| e.outcome).collect();

    let mut by_language: BTreeMap<usize, BTreeMap<Sym, &'a Effect>> = BTreeMap::new();
    for effect in effects.iter().filter(|e| e.phase == Phase::Success && !e.outcome.is_none() && !failed.contains(&e.outcome)) {
        let known = by_language.entry(languages.of_effect(effect)).or_default().entry(effect.outcome).or_insert(effect);
        // The service that did it says it better than one that was told.
        if names.get(known.source) == NOTICE && names.get(effect.source) != NOTICE {
            *known = effect;
        }
    }
    let busiest = by_language.values().max_by_key(|ids| (ids.len(), std::cmp::Reverse(ids.values().map(|e| (e.time, e.evidence)).min())));
    if let Some(ids) = busiest {
        payment.by_ids = true;
        payment.charges =
            ids.iter().map(|(id, &effect)| Charge { effect, token: tokens.get(id).copied().unwrap_or_default(), time: effect.time }).collect();
    } else {
        payment.charges = busiest_place(&effects, spans, names);
    }
    payment.charges.sort_by_key(|c| (c.time, c.effect.evidence));
    if let Some(best) = payment.charges.iter().find(|c| names.get(c.effect.source) != NOTICE).or(payment.charges.first()) {
        let called = spans.called(best.effect);
        let own = spans.own(best.effect);
        payment.service = called.map_or(best.effect.service, |span| span.service);
        payment.by_server = !payment.by_ids && (called.is_some() || own.is_some_and(Span::is_incoming));
        payment.peer = own.filter(|span| span.is_outgoing() && called.is_none()).map_or(Sym::NONE, |span| span.peer);
    }
    payment.effects = effects;
    payment
}

/// Without charge ids: the successes of the one service and wording, or route, that reports most of them, at most one per
/// span. A call counts by what its called side says, if that is known.
fn busiest_place<'a>(effects: &[&'a Effect], spans: &Spans<'a>, names: &Interner) -> Vec<Charge<'a>> {
    let mut places: BTreeMap<(Sym, TemplateId), Vec<Charge<'a>>> = BTreeMap::new();
    let mut seen: HashSet<(Sym, TemplateId, TraceId, SpanId), FixedState> = HashSet::default();
    for &effect in effects.iter().filter(|e| names.get(e.source) != NOTICE) {
        let called = spans.called(effect);
        let done = match called {
            Some(span) => !span.failed() && !(400..500).contains(&span.http_status) && matches!(effect.phase, Phase::Success | Phase::Ambiguous),
            None => effect.phase == Phase::Success,
        };
        let service = called.map_or(effect.service, |span| span.service);
        if done && (effect.span.is_none() || seen.insert((service, effect.origin, effect.trace, effect.span))) {
            let time = called.map_or(effect.time, Span::end);
            places.entry((service, effect.origin)).or_default().push(Charge { effect, token: effect.token, time });
        }
    }
    let busiest = places.into_values().max_by_key(|charges| (charges.len(), std::cmp::Reverse(charges.first().map(|c| (c.time, c.effect.evidence)))));
    busiest.unwrap_or_default()
}

/// Which places call charges by the same ids: `ch_1` of the provider and `pay_9` of our table are one charge, so only ids of
/// one language are counted together. Places that share an id share the language.
///
/// Approval and settlement of one payment may carry two ids of one shape, too; they are two wordings.
struct Languages {
    of: Table<(Sym, TemplateId), usize>,
    sets: Sets,
}

impl Languages {
    fn of(facts: &[&Effect]) -> Self {
        let mut languages = Self { of: Table::default(), sets: Sets::new(0) };
        let mut first: Table<Sym, usize> = Table::default();
        for fact in facts.iter().filter(|f| !f.outcome.is_none()) {
            let next = languages.of.len();
            let own = *languages.of.entry((fact.service, fact.origin)).or_insert(next);
            languages.sets.grow(own + 1);
            let other = *first.entry(fact.outcome).or_insert(own);
            languages.sets.join(own, other);
        }
        languages
    }

    fn of_effect(&self, effect: &Effect) -> usize {
        self.of.get(&(effect.service, effect.origin)).map_or(usize::MAX, |&own| self.sets.look(own))
    }
}

/// The significant digits of an amount, the same for `49.90`, `49.9` and `4990`; never zero.
fn digits(amount: &str) -> u64 {
    let digits = amount.bytes().filter(u8::is_ascii_digit).fold(0_u64, |sum, b| sum.wrapping_mul(10).wrapping_add(u64::from(b - b'0')));
    let mut digits = digits;
    while digits > 0 && digits.is_multiple_of(10) {
        digits /= 10;
    }
    digits.saturating_add(1)
}

/// Disjoint sets of numbers.
struct Sets(Vec<usize>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn grow(&mut self, count: usize) {
        self.0.extend(self.0.len()..count);
    }

    fn look(&self, mut at: usize) -> usize {
        while let Some(&up) = self.0.get(at).filter(|&&up| up != at) {
            at = up;
        }
        at
    }

    fn root(&mut self, at: usize) -> usize {
        let root = self.look(at);
        let mut next = at;
        while next != root {
            next = std::mem::replace(&mut self.0[next], root);
        }
        root
    }

    /// The smaller root stays one, so that the result does not depend on the order of joining.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
