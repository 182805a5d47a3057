//! Gives every time that lacks its year or date the one that the rest of the bundle speaks of.
//!
//! What this file does not do: say what the nearest date is; `model/undated.rs` does.

use crate::correlate::series::plausible_window;
use crate::model::tables::Tables;
use crate::model::time::{MINUTE, Time, Window};
use crate::model::undated::{is_undated, settled};

/// Settles the times of all rows; what they were settled by, none if nothing in the bundle has a date.
pub fn settle(tables: &mut Tables) -> Time {
    let window = plausible_window(tables);
    let near = if window.end.is_none() { Time::NONE } else { window.start.plus(window.nanos() / 2) };
    if is_undated(tables.window.start) || tables.log_counts.keys().any(|(_, minute)| is_undated(Time(minute.saturating_mul(MINUTE)))) {
        settle_by(tables, near);
    }
    near
}

fn settle_by(tables: &mut Tables, near: Time) {
    let fix = |time: &mut Time| *time = settled(*time, near);
    tables.logs.iter_mut().for_each(|row| fix(&mut row.time));
    tables.signals.iter_mut().for_each(|row| fix(&mut row.time));
    tables.effects.iter_mut().for_each(|row| fix(&mut row.time));
    tables.requests.iter_mut().for_each(|row| fix(&mut row.time));
    tables.jobs.iter_mut().for_each(|row| fix(&mut row.time));
    tables.events.iter_mut().for_each(|row| {
        fix(&mut row.time);
        fix(&mut row.first);
    });
    for stats in tables.templates.values_mut() {
        settle_window(&mut stats.window, near);
    }
    for joinable in tables.joinable.values_mut() {
        settle_window(&mut joinable.window, near);
        joinable.without.iter_mut().flatten().for_each(|(_, time, _)| fix(time));
    }
    for ((service, minute), count) in std::mem::take(&mut tables.log_counts) {
        let time = settled(Time(minute.saturating_mul(MINUTE)), near);
        tables.log_counts.entry((service, time.minute())).or_default().add(count);
    }
    tables.window = whole(tables);
}

/// From the first to the last time of all rows; templates know those of log records that were not kept.
fn whole(tables: &Tables) -> Window {
    let mut window = Window::default();
    tables.templates.values().for_each(|stats| window.join(stats.window));
    tables.spans.iter().for_each(|row| {
        window.add(row.start);
        window.add(row.start.plus(i64::try_from(row.nanos).unwrap_or(0)));
    });
    tables.metrics.iter().for_each(|row| window.add(row.time));
    tables.dumps.iter().for_each(|row| window.add(row.time));
    tables.gc.iter().for_each(|row| window.add(row.time));
    tables.histograms.iter().for_each(|row| window.add(row.time));
    tables.events.iter().for_each(|row| window.add(row.time));
    window
}

/// A window whose ends lie in different years after settling holds what lies between.
fn settle_window(window: &mut Window, near: Time) {
    let ends = [settled(window.start, near), settled(window.end, near)];
    *window = Window::default();
    ends.into_iter().for_each(|time| window.add(time));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TemplateId;
    use crate::model::record::Level;
    use crate::model::source::Evidence;
    use crate::model::tables::{LogCount, TemplateStats};
    use crate::model::undated::clock;

    #[test]
    fn a_bundle_dates_its_undated_records() {
        let mut tables = Tables::default();
        let service = tables.names.intern("orders");
        let dated = Time(1_795_376_223_000_000_000);
        let lacking = clock(dated.0.rem_euclid(1440 * MINUTE) + 5 * MINUTE);
        for (number, time) in [dated, lacking].into_iter().enumerate() {
            tables.log_counts.insert((service, time.minute()), LogCount { records: 1, ..LogCount::default() });
            let stats = TemplateStats { text: service, level: Level::Info, count: 1, window: Window::of(time, time), first: Evidence::default() };
            tables.templates.insert((TemplateId(number as u64), service), stats);
            tables.window.add(time);
        }
        assert_eq!(settle(&mut tables).minute(), dated.minute());
        let minutes: Vec<i64> = tables.log_counts.keys().map(|(_, minute)| *minute).collect();
        assert_eq!(minutes, [dated.minute(), dated.minute() + 5]);
        assert_eq!(tables.window, Window::of(dated, dated.plus(5 * MINUTE)));
    }
}
