//! Joins the two spellings of one trace: an id of 128 bits, and its lower half alone.
//!
//! ```text
//! orders   {"traceId":"4bf92f3577b34da6a3ce929d0e0e4736", ...}        stock   {"dd.trace_id":"11803532876627986230", ...}
//! gw       X-B3-TraceId: 4bf92f3577b34da6a3ce929d0e0e4736              old     X-B3-TraceId: a3ce929d0e0e4736
//! ```
//!
//! Datadog's tracers and libraries of B3 with 64 bits write the lower half of what others write whole. Halves are long enough
//! not to meet by chance; one that belongs to two traces is left alone. What this file does not do: say who writes which.

use crate::model::ids::TraceId;
use crate::model::tables::Tables;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Look-ups only: no output depends on the hash.
const HASHER: FixedState = FixedState::with_seed(0x6861_6c76_6573);

/// What is known of a lower half.
type Known = HashMap<u64, Option<TraceId>, FixedState>;

/// Gives records that name the lower half of a trace's id the whole id.
pub(super) fn lengthen(tables: &mut Tables) {
    let mut known: Known = HashMap::with_hasher(HASHER);
    each(tables, |trace| {
        if let Some(half) = half(*trace) {
            known.insert(half, None);
        }
    });
    if known.is_empty() {
        return;
    }
    let mut ambiguous = Vec::new();
    each(tables, |trace| {
        if half(*trace).is_none()
            && let Some(whole) = known.get_mut(&(trace.0 as u64))
            && whole.replace(*trace).is_some_and(|other| other != *trace)
        {
            ambiguous.push(trace.0 as u64);
        }
    });
    ambiguous.iter().for_each(|half| _ = known.remove(half));
    each(tables, |trace| {
        if let Some(whole) = half(*trace).and_then(|half| known.get(&half).copied().flatten()) {
            *trace = whole;
        }
    });
}

fn half(trace: TraceId) -> Option<u64> {
    u64::try_from(trace.0).ok().filter(|&half| half != 0)
}

fn each(tables: &mut Tables, mut look: impl FnMut(&mut TraceId)) {
    tables.spans.iter_mut().for_each(|row| look(&mut row.trace));
    tables.logs.iter_mut().for_each(|row| look(&mut row.trace));
    tables.signals.iter_mut().for_each(|row| look(&mut row.trace));
    tables.effects.iter_mut().for_each(|row| look(&mut row.trace));
    tables.requests.iter_mut().for_each(|row| look(&mut row.trace));
    tables.jobs.iter_mut().for_each(|row| look(&mut row.trace));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{given, many};

    const WHOLE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

    /// The ids of three traces, given and as they come out.
    fn joined(ids: [u128; 3]) -> Vec<u128> {
        let mut tables = given(&many(0..3, 10, |_| "  web GET / 0-100\n".to_owned()));
        tables.spans.iter_mut().zip(ids).for_each(|(span, id)| span.trace = TraceId(id));
        lengthen(&mut tables);
        tables.spans.iter().map(|span| span.trace.0).collect()
    }

    #[test]
    fn the_lower_half_of_an_id_is_that_trace() {
        let half = u128::from(WHOLE as u64);
        assert_eq!(joined([half, WHOLE, 7]), [WHOLE, WHOLE, 7]);
    }

    #[test]
    fn a_half_of_two_traces_and_no_id_at_all_stay() {
        let (half, other) = (u128::from(WHOLE as u64), WHOLE ^ (1 << 100));
        assert_eq!(joined([half, WHOLE, other]), [half, WHOLE, other]);
        assert_eq!(joined([0, WHOLE, 1 << 64]), [0, WHOLE, 1 << 64]);
    }
}
