//! What tests of effects share: the shipped rule files, and a case made of records.
//!
//! The loader of rule files checks far more than this; here a file is taken as it is.

use crate::correlate::Case;
use crate::correlate::effect::call::Call;
use crate::correlate::effect::lexicon::Lexicon;
use crate::correlate::effect::{Extractor, HASHER};
use crate::model::finding::Finding;
use crate::model::ids::{SpanId, TemplateId, TraceId};
use crate::model::names::Sym;
use crate::model::record::{Field, LogRecord, SpanKind, SpanRecord, SpanStatus, Value};
use crate::model::rule::{Detect, EffectSpec, Rule, Texts, Threshold};
use crate::model::source::{Evidence, FileId};
use crate::model::tables::{Effect, Span};
use crate::model::time::{SECOND, Time};
use crate::rules::{Detector, Scope};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// The effects of `rules/signals/payments.yaml` and `cache.yaml`.
#[must_use]
pub fn shipped_effects() -> Vec<EffectSpec> {
    let files = [include_str!("../../../rules/signals/payments.yaml"), include_str!("../../../rules/signals/cache.yaml")];
    files.into_iter().flat_map(|text| serde_saphyr::from_str::<Vec<Entry>>(text).unwrap()).filter_map(Entry::spec).collect()
}

#[derive(Deserialize)]
struct Entry {
    effect: Option<String>,
    #[serde(default)]
    operations: Ordered,
    #[serde(default)]
    phases: Ordered,
    #[serde(default)]
    negations: Vec<String>,
    #[serde(default)]
    fields: Ordered,
    #[serde(default)]
    requires: Vec<String>,
}

impl Entry {
    fn spec(self) -> Option<EffectSpec> {
        Some(EffectSpec {
            effect: self.effect?,
            operations: self.operations.0,
            phases: self.phases.0,
            negations: self.negations,
            fields: self.fields.0,
            requires: self.requires,
            origin: String::new(),
        })
    }
}

#[derive(Default)]
struct Ordered(Vec<(String, Vec<String>)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Ordered;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of lists")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut out = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    out.push(entry);
                }
                Ok(Ordered(out))
            }
        }
        from.deserialize_map(Pairs)
    }
}

/// A rule file's id, thresholds and texts.
#[must_use]
pub fn rule(yaml: &str) -> Rule {
    #[derive(Deserialize)]
    struct File {
        id: String,
        title: String,
        #[serde(default)]
        thresholds: BTreeMap<String, Limit>,
        text: Words,
        #[serde(default)]
        kinds: BTreeMap<String, Words>,
    }
    #[derive(Deserialize)]
    struct Limit {
        unit: String,
        value: Option<f64>,
        info: Option<f64>,
        warn: Option<f64>,
        why: String,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Words {
        what: String,
        why: String,
        fix: Vec<String>,
        false_alarms: Vec<String>,
        links: Vec<String>,
    }
    let texts = |w: Words| Texts { title: String::new(), what: w.what, why: w.why, fix: w.fix, false_alarms: w.false_alarms, links: w.links };
    let file: File = serde_saphyr::from_str(yaml).unwrap();
    let limit = |l: Limit| {
        let info = l.value.or(l.info).unwrap();
        Threshold { unit: l.unit, info, warn: l.warn.unwrap_or(info), why: l.why }
    };
    Rule {
        detect: Detect::Native(file.id.clone()),
        id: file.id,
        title: file.title,
        scenarios: Vec::new(),
        headline: false,
        severity: String::new(),
        needs: Vec::new(),
        needs_to_clear: Vec::new(),
        collect: String::new(),
        leads_to: Vec::new(),
        thresholds: file.thresholds.into_iter().map(|(name, l)| (name, limit(l))).collect(),
        text: texts(file.text),
        kinds: file.kinds.into_iter().map(|(name, w)| (name, texts(w))).collect(),
        origin: String::new(),
    }
}

/// Records turned into a case the way the intake does it, without files.
pub struct Story {
    lexicon: &'static Lexicon,
    /// The case so far.
    pub case: Case,
    next: u64,
}

/// Seconds after a fixed time of day.
#[must_use]
pub fn at(seconds: f64) -> Time {
    Time(1_767_261_600 * SECOND + (seconds * 1e9).round() as i64)
}

/// A trace or span id by a small number.
#[must_use]
pub fn trace(number: u128) -> TraceId {
    TraceId(number)
}

impl Default for Story {
    fn default() -> Self {
        Self { lexicon: Box::leak(Box::new(Lexicon::new(&shipped_effects()))), case: Case::default(), next: 0 }
    }
}

impl Story {
    /// A log record with fields. Fields of the form `x@trace` and `x@span` set the ids, `@instance` the instance.
    pub fn log(&mut self, seconds: f64, service: &str, message: &str, fields: &[(&str, Value<'_>)]) -> &mut Self {
        let number = |name: &str| fields.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.int()).unwrap_or(0);
        let instance = fields.iter().find(|(key, _)| *key == "@instance").and_then(|(_, value)| value.text()).unwrap_or("");
        let plain: Vec<_> = fields.iter().filter(|(key, _)| !key.starts_with('@')).map(|&(key, value)| Field { key, value }).collect();
        self.next += 1;
        let record = LogRecord {
            time: at(seconds),
            message,
            fields: &plain,
            trace: trace(number("@trace") as u128),
            span: SpanId(number("@span") as u64),
            evidence: Evidence::new(FileId(0), self.next, 1),
            ..LogRecord::default()
        };
        let tables = &mut self.case.tables;
        let (service, instance) = (tables.names.intern(service), tables.names.intern(instance));
        let masked: String = message.chars().filter(|c| !c.is_ascii_digit()).collect();
        Extractor::new(self.lexicon).log(
            &record,
            (TemplateId(HASHER.hash_one(masked)), 0),
            (service, instance),
            &mut tables.names,
            &mut tables.effects,
        );
        self
    }

    /// A span: the row and its effects.
    pub fn span(&mut self, service: &str, record: &SpanRecord<'_>) -> &mut Self {
        self.next += 1;
        let call = Call::of(record);
        let record = SpanRecord { evidence: Evidence::new(FileId(1), self.next, 1), ..*record };
        let tables = &mut self.case.tables;
        let service = tables.names.intern(service);
        let instance = tables.names.intern(record.instance);
        let text = |key: &str| record.attributes.iter().find(|a| a.key == key).and_then(|a| a.value.text()).unwrap_or("");
        let row = Span {
            trace: record.trace,
            id: record.id,
            parent: record.parent,
            start: record.start,
            nanos: record.end.since(record.start) as u64,
            fingerprint: HASHER.hash_one((call.method, call.path)),
            service,
            instance,
            name: tables.names.intern(record.name),
            peer: tables.names.intern(text("server.address")),
            operation: tables.names.intern(&format!("{} {}", call.method, call.path)),
            system: tables.names.intern(call.system),
            error: tables.names.intern(call.error),
            attributes: Sym::NONE,
            http_status: call.http_status,
            rpc_status: 0,
            resend: 0,
            kind: record.kind,
            status: record.status,
            strong: true,
            evidence: record.evidence,
        };
        tables.spans.push(row);
        Extractor::new(self.lexicon).span(&record, service, instance, &mut tables.names, &mut tables.effects);
        self
    }

    /// An HTTP call as a span: service and kind, seconds of start and end, ids (trace, span, parent), `POST /charges`, status.
    pub fn call(
        &mut self,
        (service, kind): (&str, SpanKind),
        times: (f64, f64),
        ids: (u128, u64, u64),
        operation: &str,
        status: u16,
        more: &[(&str, Value<'_>)],
    ) -> &mut Self {
        let (method, path) = operation.split_once(' ').unwrap();
        let mut attributes =
            vec![Field { key: "http.request.method", value: Value::Text(method) }, Field { key: "url.path", value: Value::Text(path) }];
        if status > 0 {
            attributes.push(Field { key: "http.response.status_code", value: Value::Int(status.into()) });
        }
        attributes.extend(more.iter().map(|&(key, value)| Field { key, value }));
        let instance = more.iter().find(|(key, _)| *key == "@instance").and_then(|(_, value)| value.text()).unwrap_or("");
        let failed = status >= 500 || more.iter().any(|(key, _)| *key == "error.type");
        let record = SpanRecord {
            trace: trace(ids.0),
            id: SpanId(ids.1),
            parent: SpanId(ids.2),
            instance,
            name: operation,
            kind,
            start: at(times.0),
            end: at(times.1),
            status: if failed { SpanStatus::Error } else { SpanStatus::Unset },
            attributes: &attributes,
            ..SpanRecord::default()
        };
        self.span(service, &record)
    }

    /// The effects so far, with their names spelled out: operation, phase, key, outcome, amount, currency, source.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let name = |sym: Sym| self.case.tables.names.get(sym);
        let spell = |e: &Effect| {
            let parts = [e.op, e.key, e.token, e.outcome, e.space, e.amount, e.currency, e.party, e.version, e.source].map(name);
            format!("{} {:?}", parts.map(|p| if p.is_empty() { "-" } else { p }).join(" "), e.phase)
        };
        self.case.tables.effects.iter().map(spell).collect()
    }

    /// Runs a detector over the case; findings below 0.30 are dropped, as the engine does.
    #[must_use]
    pub fn detect(&mut self, detector: &Detector, yaml: &str) -> Vec<Finding> {
        let tables = &mut self.case.tables;
        tables.spans.sort_by_key(|s| (s.trace, s.start));
        tables.effects.sort_by_key(|e| e.time);
        for effect in &tables.effects {
            tables.window.add(effect.time);
        }
        let rule = rule(yaml);
        for name in detector.thresholds {
            assert!(rule.thresholds.contains_key(*name), "{name} is no threshold of {}", rule.id);
        }
        assert_eq!(rule.id, detector.id);
        let mut found = Vec::new();
        (detector.detect)(&Scope { case: &self.case, baseline: None }, &rule, &mut found);
        for finding in &found {
            let special = rule.kinds.get(&finding.kind);
            for (own, general) in [(special.map(|t| &t.what), &rule.text.what), (special.map(|t| &t.why), &rule.text.why)] {
                assert_holes_filled(own.filter(|text| !text.is_empty()).unwrap_or(general), finding);
            }
        }
        found.retain(|f| f.confidence >= 0.30);
        found
    }
}

/// Every `{name}` of a text must be a measure, a word, or a part of the subject.
fn assert_holes_filled(text: &str, finding: &Finding) {
    for hole in text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name.trim_end_matches(":unit"))) {
        let known = finding.measures.iter().any(|m| m.name == hole)
            || finding.words.contains_key(hole)
            || ["subject", "service", "peer", "operation", "key"].contains(&hole);
        assert!(known, "nothing fills {{{hole}}} of {} {}", finding.rule, finding.kind);
    }
}
