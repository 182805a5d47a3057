//! Ages become times: a listing says "4m ago", and nobody wrote down when that was.
//!
//! ```text
//! LAST SEEN   TYPE      REASON              OBJECT                         MESSAGE
//! 4m12s       Normal    SuccessfulRescale   horizontalpodautoscaler/orders New size: 6; reason: cpu above target
//! ```
//!
//! Who lists events while something is wrong does so at the end of what he records, so ages count back from the last time of
//! the bundle. In a bundle without any time such rows have none. What this file does not do: find the time of a listing
//! that says it, in a line above or in its name; the format does.

use crate::model::tables::Tables;
use crate::model::time::Time;

/// Puts every time that counts back from the capture on the clock of the bundle.
pub fn place(tables: &mut Tables) {
    let end = tables.window.end;
    let place = |time: &mut Time| {
        if time.is_before_capture() {
            *time = if end.is_some() { end.plus(time.0) } else { Time::NONE };
        }
    };
    for event in &mut tables.events {
        place(&mut event.time);
        place(&mut event.first);
    }
    tables.metrics.iter_mut().for_each(|metric| place(&mut metric.time));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::Sym;
    use crate::model::platform::Event;
    use crate::model::source::Evidence;
    use crate::model::time::{MINUTE, Window};

    #[test]
    fn ages_count_back_from_the_end_of_the_bundle() {
        let event = Event {
            time: Time::before_capture(4 * MINUTE),
            first: Time::NONE,
            count: 1,
            warning: false,
            service: Sym::NONE,
            kind: Sym::NONE,
            object: Sym::NONE,
            namespace: Sym::NONE,
            reason: Sym::NONE,
            message: Sym::NONE,
            evidence: Evidence::default(),
        };
        let end = Time(1_795_376_223 * crate::model::time::SECOND);
        let mut tables = Tables { events: vec![event], window: Window::of(end.plus(-10 * MINUTE), end), ..Tables::default() };
        place(&mut tables);
        assert_eq!((tables.events[0].time, tables.events[0].first), (end.plus(-4 * MINUTE), Time::NONE));
        let mut tables = Tables { events: vec![event], ..Tables::default() };
        place(&mut tables);
        assert_eq!(tables.events[0].time, Time::NONE);
    }
}
