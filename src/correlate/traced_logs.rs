//! Log records by the trace they belong to, and the span of it in which they were written.
//!
//! ```text
//! trace 5b8a…  span 5fb3…  orders  "order <*> placed"        the span that the record names
//! trace 5b8a…              orders  "order <*> placed"        the first span of its service, if it names none
//! ```
//!
//! What this file does not do: keep texts. A statement is the template of its records.

use crate::correlate::Case;
use crate::correlate::trace::Trace;
use crate::model::ids::{SpanId, TraceId};
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::tables::Log;
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

/// The traced records of a case.
pub struct TracedLogs<'a> {
    case: &'a Case,
    rows: Vec<(TraceId, u32)>,
}

impl<'a> TracedLogs<'a> {
    /// Sorts the records by trace.
    #[must_use]
    pub fn of(case: &'a Case) -> Self {
        let traced = case.tables.logs.iter().zip(0_u32..).filter(|(log, _)| !log.trace.is_none());
        let mut rows: Vec<(TraceId, u32)> = traced.map(|(log, row)| (log.trace, row)).collect();
        rows.par_sort_unstable();
        Self { case, rows }
    }

    /// Writes to `out` what the spans of a trace said, in the order of the spans.
    pub fn of_trace(&self, trace: &Trace<'_>, out: &mut Vec<Said>) {
        out.clear();
        let Some(id) = trace.spans.first().map(|span| span.trace) else { return };
        let from = self.rows.partition_point(|(other, _)| *other < id);
        let mut rows = self.rows.get(from..).unwrap_or_default().iter().take_while(|(other, _)| *other == id).peekable();
        if rows.peek().is_none() {
            return;
        }
        let places = Places::of(trace);
        let logs = rows.filter_map(|(_, row)| self.case.tables.logs.get(*row as usize));
        out.extend(logs.filter_map(|log| {
            let statement = self.case.tables.templates.get(&(log.template, log.service))?.text;
            Some(Said { at: places.find(log)?, statement, service: log.service, is_error: log.level >= Level::Error })
        }));
        out.sort_unstable();
    }
}

/// The spans of one trace by id and service, by id alone, and by service alone; whichever is not asked for is `NONE`.
struct Places(Vec<(SpanId, Sym, u32)>);

impl Places {
    fn of(trace: &Trace<'_>) -> Self {
        let mut places = Vec::with_capacity(3 * trace.spans.len());
        for (span, at) in trace.spans.iter().zip(0..) {
            places.push((SpanId::NONE, span.service, at));
            if !span.id.is_none() {
                places.extend([(span.id, span.service, at), (span.id, Sym::NONE, at)]);
            }
        }
        places.sort_unstable();
        Self(places)
    }

    /// The span a record was written in. Two spans may share an id; of those the one of the record's service is meant.
    fn find(&self, log: &Log) -> Option<usize> {
        let first = |id: SpanId, service: Sym| {
            let found = self.0.get(self.0.partition_point(|place| *place < (id, service, 0)))?;
            ((found.0, found.1) == (id, service)).then_some(found.2 as usize)
        };
        let named = if log.span.is_none() { None } else { first(log.span, log.service).or_else(|| first(log.span, Sym::NONE)) };
        named.or_else(|| first(SpanId::NONE, log.service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::given;
    use crate::correlate::gather::gather;
    use crate::model::ids::TemplateId;
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
        logs.of_trace(&case.trace(trace), &mut said);
        let told: Vec<(usize, &str, bool)> = said.iter().map(|said| (said.at, case.tables.names.get(said.statement), said.is_error)).collect();
        assert_eq!(
            told,
            [(2, "order <*> placed", false), (2, "order <*> placed", true), (2, "order <*> placed", true), (3, "order <*> placed", false)]
        );
    }
}
