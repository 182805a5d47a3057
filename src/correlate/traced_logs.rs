//! Log records by the trace they belong to, and the span of it in which they were written.
//!
//! ```text
//! trace 5b8a…  span 5fb3…  orders  "order <*> placed"        the span that the record names
//! trace 5b8a…              orders  "order <*> placed"        the first span of its service, if it names none
//! ```
//!
//! What this file does not do: keep texts. A statement is the template of its records.

use crate::correlate::Case;
use crate::correlate::gallop::count_before;
use crate::correlate::trace::Trace;
use crate::model::ids::{SpanId, TemplateId, TraceId};
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::tables::{Log, Span};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rayon::prelude::*;

/// What a span said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Said {
    /// The span, by its index in the trace.
    pub at: usize,
    /// The masked text.
    pub statement: Sym,
    /// Who said it.
    pub service: Sym,
    /// Whether it tells of an error.
    pub is_error: bool,
}

/// Spans of a trace among which one is looked for one by one.
const FEW: usize = 64;

/// The traced records of a case.
pub struct TracedLogs<'a> {
    case: &'a Case,
    rows: Vec<(TraceId, u32)>,
    /// What records of a template say, by service.
    statements: HashMap<(TemplateId, Sym), Sym, FixedState>,
}

/// Where a walk over the traces, in their order, has come to among the records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bookmark(usize);

impl<'a> TracedLogs<'a> {
    /// Sorts the records by trace.
    #[must_use]
    pub fn of(case: &'a Case) -> Self {
        let traced = case.tables.logs.iter().zip(0_u32..).filter(|(log, _)| !log.trace.is_none());
        let mut rows: Vec<(TraceId, u32)> = traced.map(|(log, row)| (log.trace, row)).collect();
        rows.par_sort_unstable();
        let statements = case.tables.templates.iter().map(|(said, stats)| (*said, stats.text)).collect();
        Self { case, rows, statements }
    }

    /// Writes to `out` what the spans of a trace said, in the order of the spans. The bookmark makes the records of the next
    /// trace quick to find; it may be that of any other trace.
    pub fn of_trace(&self, trace: &Trace<'_>, bookmark: &mut Bookmark, out: &mut Vec<Said>) {
        out.clear();
        let Some(id) = trace.spans.first().map(|span| span.trace) else { return };
        let from = self.first_of(id, *bookmark);
        let rest = self.rows.get(from..).unwrap_or_default();
        let rows = rest.get(..rest.iter().take_while(|(other, _)| *other == id).count()).unwrap_or_default();
        *bookmark = Bookmark(from + rows.len());
        if rows.is_empty() {
            return;
        }
        let places = Places::of(trace);
        let logs = rows.iter().filter_map(|(_, row)| self.case.tables.logs.get(*row as usize));
        out.extend(logs.filter_map(|log| {
            let statement = *self.statements.get(&(log.template, log.service))?;
            Some(Said { at: places.find(log)?, statement, service: log.service, is_error: log.level >= Level::Error })
        }));
        out.sort_unstable();
    }

    /// Where the records of a trace begin: looked for from the bookmark on, since it is mostly near.
    fn first_of(&self, id: TraceId, Bookmark(mark): Bookmark) -> usize {
        let is_before = |row: &(TraceId, u32)| row.0 < id;
        let known = if mark.checked_sub(1).and_then(|last| self.rows.get(last)).is_none_or(is_before) { mark } else { 0 };
        known + count_before(self.rows.get(known..).unwrap_or_default(), is_before)
    }
}

/// The spans of one trace by id and service, by id alone, and by service alone.
enum Places<'t> {
    /// Of few spans: as they stand.
    Few(&'t [Span]),
    /// Of many: sorted; whichever is not asked for is `NONE`.
    Many(Vec<(SpanId, Sym, u32)>),
}

impl<'t> Places<'t> {
    fn of(trace: &Trace<'t>) -> Self {
        if trace.spans.len() <= FEW {
            return Self::Few(trace.spans);
        }
        let mut places = Vec::with_capacity(3 * trace.spans.len());
        for (span, at) in trace.spans.iter().zip(0..) {
            places.push((SpanId::NONE, span.service, at));
            if !span.id.is_none() {
                places.extend([(span.id, span.service, at), (span.id, Sym::NONE, at)]);
            }
        }
        places.sort_unstable();
        Self::Many(places)
    }

    /// The span a record was written in. Two spans may share an id; of those the one of the record's service is meant.
    fn find(&self, log: &Log) -> Option<usize> {
        let named = if log.span.is_none() { None } else { self.first(log.span, log.service).or_else(|| self.first(log.span, Sym::NONE)) };
        named.or_else(|| self.first(SpanId::NONE, log.service))
    }

    /// The first span of an id and a service.
    fn first(&self, id: SpanId, service: Sym) -> Option<usize> {
        match self {
            Self::Few(spans) => {
                let same_id = |span: &Span| id.is_none() || span.id == id;
                // Whatever is not asked for is `NONE`; spans of no service are found by that.
                let same_service = |span: &Span| span.service == service || service.is_none() && !id.is_none();
                spans.iter().position(|span| same_id(span) && same_service(span))
            }
            Self::Many(places) => {
                let found = places.get(places.partition_point(|place| *place < (id, service, 0)))?;
                ((found.0, found.1) == (id, service)).then_some(found.2 as usize)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::given;
    use crate::correlate::gather::gather;
    use crate::model::source::Evidence;
    use crate::model::tables::TemplateStats;
    use crate::model::time::Window;

    #[test]
    fn records_stand_in_the_span_they_name_or_in_their_services_first() {
        let mut tables = given("t1\n  gw GET / 0-100\n    > orders GET /o 10-90 id=9\n      orders GET /o 12-88 id=9\n        . place 20-80\n");
        let (trace, inner) = (tables.spans[0].trace, tables.spans[3].id);
        let (orders, text) = (tables.names.intern("orders"), tables.names.intern("order <*> placed"));
        let shared = SpanId(9);
        for (at, span, level) in [(0, inner, Level::Info), (1, SpanId::NONE, Level::Error), (2, SpanId(77), Level::Info), (3, shared, Level::Error)] {
            let evidence = Evidence { start: at, ..tables.spans[0].evidence };
            tables.logs.push(Log {
                time: tables.spans[0].start,
                trace,
                span,
                template: TemplateId(7),
                digest: 0,
                service: orders,
                instance: Sym::NONE,
                logger: Sym::NONE,
                exception: Sym::NONE,
                level,
                evidence,
            });
            let stats = TemplateStats { text, level, count: 1, window: Window::default(), first: evidence };
            tables.templates.insert((TemplateId(7), orders), stats);
        }
        let case = gather(tables);
        let logs = TracedLogs::of(&case);
        let mut said = Vec::new();
        logs.of_trace(&case.trace(trace), &mut Bookmark::default(), &mut said);
        let told: Vec<(usize, &str, bool)> = said.iter().map(|said| (said.at, case.tables.names.get(said.statement), said.is_error)).collect();
        assert_eq!(
            told,
            [(2, "order <*> placed", false), (2, "order <*> placed", true), (2, "order <*> placed", true), (3, "order <*> placed", false)]
        );
    }

    #[test]
    fn records_are_found_from_any_bookmark() {
        let rows: Vec<(TraceId, u32)> = (0..40_u32).map(|n| (TraceId(u128::from(n / 3 * 2)), n)).collect();
        let case = Case::default();
        let logs = TracedLogs { case: &case, rows, statements: HashMap::default() };
        for mark in 0..=logs.rows.len() {
            for id in 0..30 {
                let want = logs.rows.partition_point(|row| row.0 < TraceId(id));
                assert_eq!(logs.first_of(TraceId(id), Bookmark(mark)), want, "{id} from {mark}");
            }
        }
    }

    #[test]
    fn few_and_many_spans_are_searched_alike() {
        let inner = "    > orders GET /o 10-90 id=9\n      orders GET /o 12-88 id=9\n        . place 20-80\n";
        for repeats in [1, 40] {
            let case = gather(given(&format!("t1\n  gw GET / 0-100\n{}", inner.repeat(repeats))));
            let trace = case.trace(case.tables.spans[0].trace);
            let many = {
                let mut places: Vec<(SpanId, Sym, u32)> = Vec::new();
                for (span, at) in trace.spans.iter().zip(0..) {
                    places.extend([(SpanId::NONE, span.service, at), (span.id, span.service, at), (span.id, Sym::NONE, at)]);
                }
                places.sort_unstable();
                Places::Many(places)
            };
            for span in trace.spans {
                for (id, service) in [(span.id, span.service), (span.id, Sym::NONE), (SpanId::NONE, span.service), (SpanId(12345), span.service)] {
                    assert_eq!(Places::Few(trace.spans).first(id, service), many.first(id, service));
                }
            }
        }
    }
}
