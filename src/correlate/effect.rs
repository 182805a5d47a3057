//! Domain facts out of log records and spans: *charged order O-77*, *read product:9 at version 7 from the cache*.
//!
//! ```text
//! {"message":"Charge succeeded","chargeId":"ch_1","orderId":"O-77","amount":"49.90","currency":"EUR"}
//! payment captured order_id=ord_5 charge_id=ch_9 amount_cents=23482 currency=EUR
//! Cache 'users' failed to evict entry with key '42'
//! ```
//!
//! Words and field names come from `rules/signals`. A template (or a span's operation) without any of them is remembered,
//! so that all its further records cost one look-up. What this folder does not do: join facts; that is for the rules.

pub mod cache;
pub mod call;
#[cfg(test)]
pub mod fixture;
pub mod lexicon;
pub mod money;
pub mod pairs;
pub mod prose;
pub mod values;

mod gate;
mod payment;
mod phrase;
mod scratch;

use crate::correlate::effect::call::Call;
use crate::correlate::effect::lexicon::{Family, Lexicon, Reading, Role};
use crate::correlate::effect::scratch::Scratch;
use crate::correlate::effect::values::Values;
use crate::correlate::near::Near;
use crate::model::ids::TemplateId;
use crate::model::names::{Interner, Sym};
use crate::model::record::{LogRecord, SpanRecord};
use crate::model::rows::Rows;
use crate::model::tables::{Effect, Phase};
use crate::model::time::Time;
use foldhash::fast::FixedState;

/// The name of the family of payments in `rules/signals`.
pub const PAYMENT: &str = "payment";
/// The name of the family of caches.
pub const CACHE: &str = "cache";
/// The source of effects that only talk about a payment.
pub const NOTICE: &str = "notice";

/// Templates remembered; a bundle that has more has no templates.
const MOST_REMEMBERED: usize = 1 << 17;
/// Equal on every run: the hash of a span's operation is its identity.
const HASHER: FixedState = FixedState::with_seed(0x6566_6665_6374);

/// Turns records into effects. One per worker.
#[derive(Debug)]
pub struct Extractor<'l> {
    lexicon: &'l Lexicon,
    /// By template or span operation: one bit per family that may be meant.
    seen: Near<u64, u64>,
    text: Scratch<'l>,
}

/// What the words of a record say for one family.
#[derive(Clone, Copy, Debug)]
struct Words<'s> {
    lexicon: &'s Lexicon,
    /// Index of the family.
    index: usize,
    family: &'s Family,
    /// The message, or the operation of a span.
    prose: &'s str,
    said: Reading,
    /// Fields of the roles `status` and `source`, with their names.
    told: Reading,
    /// Values of the role `status`: `charge.succeeded`.
    event: Reading,
}

impl<'l> Extractor<'l> {
    /// A worker's extractor.
    #[must_use]
    pub fn new(lexicon: &'l Lexicon) -> Self {
        Self { lexicon, seen: Near::default(), text: Scratch::new(lexicon) }
    }

    /// Adds the effects that a log record tells of. `template` is the masked message's, `keys` the identity of its fields' names.
    pub fn log(
        &mut self,
        record: &LogRecord<'_>,
        (template, keys): (TemplateId, u64),
        (service, instance): (Sym, Sym),
        names: &mut Interner,
        out: &mut Rows<Effect>,
    ) {
        let gate = gate::of_log(record, template, keys);
        self.seen.bound(MOST_REMEMBERED);
        let (text, lexicon) = (&mut self.text, self.lexicon);
        let families = *self.seen.of(gate, gate, || scratch::families_of_log(text, lexicon, record));
        if families == 0 {
            return;
        }
        let blank = Effect {
            time: record.time,
            start: record.time,
            trace: record.trace,
            span: record.span,
            origin: template,
            from_span: false,
            ..blank(service, instance, record.evidence)
        };
        let message = prose::head(record.message);
        self.text.take_text(message);
        for index in (0..self.lexicon.families().len()).filter(|i| families >> i & 1 == 1) {
            let mut values = Values::new(index);
            self.text.read_log(index, record.fields, message, &mut values);
            let words = self.text.words(index);
            let blank = Effect { kind: names.intern(&words.family.name), ..blank };
            let effect = match words.family.name.as_str() {
                PAYMENT => payment::of_log(&words, &values, record, blank, names),
                CACHE => {
                    let effect = cache::of_log(&words, &values, record, blank, names);
                    out.extend(effect.and_then(|read| cache::filled_before(&read, &values, names)));
                    effect
                }
                _ => plain(&words, &values, blank, names),
            };
            out.extend(effect);
        }
    }

    /// Adds the effects that a span tells of.
    pub fn span(&mut self, record: &SpanRecord<'_>, service: Sym, instance: Sym, names: &mut Interner, out: &mut Rows<Effect>) {
        let call = Call::of(record);
        let operation = call.identity(record);
        // The identity leaves ids out, and whether a path ends with one matters.
        let by_path = cache::changes_by_path(record, &call).is_some();
        let gate = gate::of_span(record.attributes, operation.wrapping_add(u64::from(by_path)));
        self.seen.bound(MOST_REMEMBERED);
        let (text, lexicon) = (&mut self.text, self.lexicon);
        let families = *self.seen.of(gate, gate, || scratch::families_of_span(text, lexicon, record, &call, by_path));
        if families == 0 {
            return;
        }
        let blank = Effect {
            time: record.end,
            start: record.start,
            trace: record.trace,
            span: record.id,
            origin: TemplateId(operation),
            from_span: true,
            ..blank(service, instance, record.evidence)
        };
        self.text.take_words(record, &call);
        for index in (0..self.lexicon.families().len()).filter(|i| families >> i & 1 == 1) {
            let mut values = Values::new(index);
            self.text.read_fields(index, record.attributes, &mut values);
            let words = self.text.words(index);
            let blank = Effect { kind: names.intern(&words.family.name), ..blank };
            let effect = match words.family.name.as_str() {
                PAYMENT => payment::of_span(&words, &values, record, &call, blank, names),
                CACHE => {
                    let effect = cache::of_span(&words, &values, record, &call, blank, names);
                    out.extend(effect.and_then(|read| cache::filled_before(&read, &values, names)));
                    effect
                }
                _ => plain(&words, &values, blank, names),
            };
            out.extend(effect);
        }
    }
}

impl Words<'_> {
    /// Name of the operation: said in the text, else by an event's name (`charge.succeeded`, but not a bare `paid`).
    fn operation(&self) -> Option<&str> {
        let index = self.said.operation.or(self.event.operation.filter(|_| !self.event.one_word))?;
        self.family.operations.get(usize::from(index)).map(|(name, _)| name.as_str())
    }

    /// Kind of statement: told by a field, else by the text; but a text that tells of another's load says why the field tells a miss.
    fn source(&self) -> &str {
        let name = |index: Option<u16>| index.and_then(|i| self.family.operations.get(usize::from(i))).map_or("", |(_, source)| source.as_str());
        match (name(self.told.source), name(self.said.source)) {
            ("" | "origin", said @ "shared") => said,
            ("", said) => said,
            (told, _) => told,
        }
    }

    /// How far it got: fields come first, but "succeeded, returning the existing payment" is a replay.
    fn phase(&self) -> Option<Phase> {
        match (self.told.phase, self.said.phase) {
            (None | Some(Phase::Success), Some(phase @ (Phase::Replay | Phase::Prevented | Phase::Reversed))) => Some(phase),
            (told, said) => told.or(said),
        }
    }

    /// Whether one of the roles without which the record says nothing is present.
    fn has_required(&self, values: &Values<'_>) -> bool {
        self.family.requires.is_empty() || self.family.requires.iter().any(|&role| values.get(role).is_some())
    }
}

/// An effect of a family that this version knows nothing more about.
fn plain(words: &Words<'_>, values: &Values<'_>, blank: Effect, names: &mut Interner) -> Option<Effect> {
    if !words.has_required(values) {
        return None;
    }
    let op = names.intern(words.operation()?);
    let mut effect = Effect { op, phase: words.phase().unwrap_or(Phase::Attempt), source: names.intern(words.source()), ..blank };
    for (slot, role) in [
        (&mut effect.key, Role::Key),
        (&mut effect.token, Role::Token),
        (&mut effect.outcome, Role::Outcome),
        (&mut effect.space, Role::Space),
        (&mut effect.amount, Role::Amount),
        (&mut effect.currency, Role::Currency),
        (&mut effect.party, Role::Party),
        (&mut effect.version, Role::Version),
    ] {
        *slot = intern(values.id(role), names);
    }
    Some(effect)
}

fn blank(service: Sym, instance: Sym, evidence: crate::model::source::Evidence) -> Effect {
    Effect {
        kind: Sym::NONE,
        op: Sym::NONE,
        phase: Phase::Attempt,
        time: Time::NONE,
        start: Time::NONE,
        trace: crate::model::ids::TraceId::NONE,
        span: crate::model::ids::SpanId::NONE,
        service,
        instance,
        key: Sym::NONE,
        token: Sym::NONE,
        outcome: Sym::NONE,
        space: Sym::NONE,
        amount: Sym::NONE,
        currency: Sym::NONE,
        party: Sym::NONE,
        version: Sym::NONE,
        source: Sym::NONE,
        origin: TemplateId::default(),
        from_span: false,
        evidence,
    }
}

fn intern(text: Option<impl AsRef<str>>, names: &mut Interner) -> Sym {
    text.map_or(Sym::NONE, |text| names.intern(text.as_ref()))
}

#[cfg(test)]
mod tests {
    use crate::correlate::effect::fixture::Story;
    use crate::model::record::SpanKind;
    use crate::model::record::Value::{Bool, Int, Text};

    #[test]
    fn payments_in_json_and_in_text_are_the_same() {
        let mut story = Story::default();
        story
            .log(
                0.0,
                "payment",
                "Charge succeeded",
                &[("chargeId", Text("ch_1")), ("orderId", Text("O-77")), ("amount", Text("49.90")), ("currency", Text("EUR"))],
            )
            .log(0.0, "payment", "Charge succeeded chargeId=ch_1 orderId=O-77 amount=49.90 currency=EUR", &[])
            .log(0.0, "payment", "Charge ch_1Abc for order O-77 succeeded: 49.90 EUR", &[])
            .log(
                0.0,
                "psp",
                "charge succeeded",
                &[("amount", Int(23101)), ("charge_id", Text("ch_8a44")), ("currency", Text("EUR")), ("reference", Text("ord_1"))],
            )
            .log(
                0.0,
                "payments",
                "payment captured order_id=ord_1 payment_id=pay_1 charge_id=ch_8a44 amount_cents=23101 currency=EUR idempotency_key=k-1",
                &[],
            );
        assert_eq!(
            story.told(),
            [
                "charge O-77 - ch_1 - 49.90 EUR - - - Success",
                "charge O-77 - ch_1 - 49.90 EUR - - - Success",
                "charge O-77 - ch_1Abc - 49.90 EUR - - - Success",
                "charge ord_1 - ch_8a44 - 231.01 EUR - - - Success",
                "capture ord_1 k-1 ch_8a44 - 231.01 EUR - - - Success",
            ]
        );
    }

    #[test]
    fn events_name_their_operation_and_states_do_not() {
        let mut story = Story::default();
        story
            .log(0.0, "payments", "webhook received", &[("event", Text("charge.succeeded")), ("charge_id", Text("ch_1")), ("order_id", Text("o-1"))])
            .log(0.0, "orders", "Loaded order 66272 status=PAID", &[])
            .log(0.0, "orders", "order updated", &[("order_id", Text("o-1")), ("payment_status", Text("PAID"))])
            .log(0.0, "payments", "POST /payments 201 50ms", &[("method", Text("POST")), ("status", Int(201))])
            .log(0.0, "payments", "provider replayed the stored response", &[("charge_id", Text("ch_1")), ("order_id", Text("o-1"))])
            .log(0.0, "payments", "charge created", &[("charge_id", Text("ch_2")), ("order_id", Text("o-1")), ("status", Text("pending"))])
            .log(0.0, "payments", "payment processed", &[("transaction_id", Text("o-1")), ("order_id", Text("o-1"))]);
        assert_eq!(
            story.told(),
            [
                "charge o-1 - ch_1 - - - - - notice Success",
                "write o-1 - - order - - - - - Success",
                "charge o-1 - ch_1 - - - - - - Replay",
                "charge o-1 - ch_2 - - - - - - Attempt",
                "charge o-1 - - - - - - - - Success",
            ]
        );
    }

    #[test]
    fn spans_tell_payments_by_route_and_status() {
        let mut story = Story::default();
        let order = [("order.id", Text("o-1")), ("payment.amount", Text("49.90")), ("payment.currency", Text("EUR"))];
        story
            .call(("orders", SpanKind::Client), (0.0, 1.0), (1, 1, 0), "POST /api/v1/payments", 504, &order)
            .call(("orders", SpanKind::Client), (0.0, 1.0), (1, 2, 0), "POST /api/v1/payments", 200, &order)
            .call(("orders", SpanKind::Client), (0.0, 1.0), (1, 3, 0), "POST /charges", 0, &[("error.type", Text("java.net.SocketTimeoutException"))])
            .call(
                ("orders", SpanKind::Client),
                (0.0, 1.0),
                (1, 4, 0),
                "POST /charges",
                0,
                &[("error.type", Text("java.net.ConnectException: Connection refused"))],
            )
            .call(("payments", SpanKind::Server), (0.0, 1.0), (1, 5, 0), "POST /webhooks/psp", 200, &[])
            .call(("payments", SpanKind::Server), (0.0, 1.0), (1, 6, 0), "GET /payments/17", 200, &order)
            .call(("orders", SpanKind::Server), (0.0, 1.0), (1, 7, 0), "POST /orders", 201, &[("order.id", Text("o-1"))])
            .call(("pay", SpanKind::Server), (0.0, 1.0), (1, 8, 0), "POST /payments/rules", 201, &[]);
        assert_eq!(
            story.told(),
            [
                "charge o-1 - - - 49.90 EUR - - - Ambiguous",
                "charge o-1 - - - 49.90 EUR - - - Success",
                "charge - - - - - - - - - Ambiguous",
                "charge - - - - - - - - - Failure",
            ]
        );
    }

    #[test]
    fn cached_reads_and_changes() {
        let mut story = Story::default();
        let read = [
            ("product_id", Int(1)),
            ("source", Text("cache")),
            ("cache_key", Text("product:1")),
            ("version", Int(3)),
            ("updated_at", Text("2026-01-01T00:00:00Z")),
        ];
        story
            .log(0.0, "catalog", "product read", &read)
            .log(0.0, "catalog", "product updated", &[("product_id", Int(27)), ("version", Int(2)), ("price_cents", Int(8402))])
            .log(
                0.0,
                "catalog",
                "cache miss, value loaded from database",
                &[("cache_key", Text("products:page:1")), ("load_ms", Int(898)), ("ttl_s", Int(18))],
            )
            .log(0.0, "catalog", "Cache entry for key '42' found in cache(s) [users]", &[])
            .log(0.0, "catalog", "Cache 'users' failed to evict entry with key '42'", &[])
            .log(0.0, "catalog", "cache hit key=product:9 version=7", &[])
            .call(
                ("catalog", SpanKind::Server),
                (0.0, 1.0),
                (1, 1, 0),
                "GET /products/1",
                200,
                &[("cache.hit", Bool(false)), ("cache.key", Text("product:1")), ("product.id", Int(1)), ("product.version", Int(3))],
            )
            .call(
                ("catalog", SpanKind::Server),
                (0.0, 1.0),
                (1, 2, 0),
                "PUT /products/27",
                200,
                &[("product.id", Int(27)), ("product.version", Int(2))],
            )
            .log(0.0, "catalog", "product viewed", &[("product_id", Int(1))]);
        assert_eq!(
            story.told(),
            [
                "read product:1 1 - product - - - 3 cache Success",
                "write 27 - price_cents=8402 product - - - 2 - Success",
                "read products:page:1 - - - 18 - - - origin Success",
                "read 42 - - users - - - - cache Success",
                "invalidate 42 - - users - - - - - Failure",
                "read product:9 - - - - - - 7 cache Success",
                "read product:1 1 - product - - - 3 origin Success",
                "write 27 - - product - - - 2 - Success",
            ]
        );
    }
}
