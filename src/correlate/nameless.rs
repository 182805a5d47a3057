//! Rows that nobody names, in a bundle of one service: whose else should they be?
//!
//! A thread dump says no service, and one that lies beside the logs has no path that does. If all rows that are named
//! carry the same name, the others get it. In a bundle of several services they stay nameless.

use crate::model::names::Sym;
use crate::model::tables::Tables;

/// Gives the only service's name to rows without one.
pub fn adopt(tables: &mut Tables) {
    let named = (tables.spans.iter().map(|row| row.service))
        .chain(tables.logs.iter().map(|row| row.service))
        .chain(tables.metrics.iter().map(|row| row.service))
        .chain(tables.gc.iter().map(|row| row.service))
        .chain(tables.dumps.iter().map(|row| row.service))
        .chain(tables.histograms.iter().map(|row| row.service))
        .chain(tables.requests.iter().map(|row| row.service))
        .chain(tables.log_counts.keys().map(|(service, _)| *service));
    let Some(only) = only(named) else { return };
    let adopt = |service: &mut Sym| *service = service.or(only);
    tables.logs.iter_mut().for_each(|row| adopt(&mut row.service));
    tables.signals.iter_mut().for_each(|row| adopt(&mut row.service));
    tables.effects.iter_mut().for_each(|row| adopt(&mut row.service));
    tables.metrics.iter_mut().for_each(|row| adopt(&mut row.service));
    tables.gc.iter_mut().for_each(|row| adopt(&mut row.service));
    tables.dumps.iter_mut().for_each(|row| adopt(&mut row.service));
    tables.histograms.iter_mut().for_each(|row| adopt(&mut row.service));
    tables.requests.iter_mut().for_each(|row| adopt(&mut row.service));
    if let Some(nameless) = tables.joinable.remove(&Sym::NONE) {
        tables.joinable.entry(only).or_default().join(&nameless);
    }
    tables.jobs.iter_mut().for_each(|row| adopt(&mut row.service));
    tables.settings.iter_mut().for_each(|row| adopt(&mut row.service));
}

/// The name that is the only one.
fn only(named: impl Iterator<Item = Sym>) -> Option<Sym> {
    let mut known = Sym::NONE;
    for service in named.filter(|service| !service.is_none()) {
        if !known.is_none() && known != service {
            return None;
        }
        known = service;
    }
    (!known.is_none()).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_name_is_given_on() {
        assert_eq!(only([Sym(0), Sym(3), Sym(3)].into_iter()), Some(Sym(3)));
        assert_eq!(only([Sym(2), Sym(3)].into_iter()), None);
        assert_eq!(only([Sym(0)].into_iter()), None);
    }
}
