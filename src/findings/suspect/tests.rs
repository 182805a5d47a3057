use super::*;
use crate::correlate::fixture::{case, given, many};
use crate::model::ids::TemplateId;
use crate::model::record::Level;
use crate::model::tables::{Log, TemplateStats};

/// A shop of four services: `stock` is called by two others; the numbers are how long each works, in milliseconds.
fn shop(own: u32, way: u32, reserves: bool) -> String {
    many(0..80, 500, |n| {
        let jitter = n % 3;
        let (stock, lost) = (4 + own * u32::from(n % 2 == 0) + jitter, way);
        let inside = 20 + lost;
        let reserve =
            if reserves || n % 4 == 0 { format!("        stock SELECT {}-{} system=postgresql\n", inside + 1, inside + 2) } else { String::new() };
        format!(
            "  gw GET /home 0-{end}\n    > stock GET /items {call}-{done}\n      stock GET /items {inside}-{out}\n{reserve}    > cart GET /cart 2-9\n      cart GET /cart 3-8\n        > stock GET /items 4-{near}\n          stock GET /items 5-{back}\n",
            end = 60 + stock + 2 * lost,
            call = 18,
            done = inside + stock + lost,
            out = inside + stock,
            near = 6 + stock + 2 * lost,
            back = 5 + stock,
        )
    })
}

fn top(calm: &str, now: &str) -> Vec<(String, f64)> {
    by_change(&case(now), Some(&case(calm)), None).into_iter().map(|suspect| (suspect.service, suspect.score)).collect()
}

#[test]
fn who_works_longer_is_suspected() {
    let found = top(&shop(0, 0, true), &shop(200, 0, true));
    assert_eq!(found.first().map(|(service, score)| (service.as_str(), *score > 0.6)), Some(("stock", true)), "{found:?}");
    assert!(found.iter().skip(1).all(|(_, score)| *score < 0.3), "those who wait are not: {found:?}");
}

#[test]
fn time_lost_on_the_way_from_every_caller_is_the_callees() {
    let found = top(&shop(0, 0, true), &shop(0, 100, true));
    assert_eq!(found.first().map(|(service, _)| service.as_str()), Some("stock"), "{found:?}");
}

#[test]
fn a_step_that_no_longer_follows() {
    let found = by_change(&case(&shop(0, 0, false)), Some(&case(&shop(0, 0, true))), None);
    let first = found.first().expect("a suspect");
    assert_eq!(first.service, "stock", "{found:?}");
    assert!(first.because.iter().any(|why| why.contains("was followed by SELECT")), "{first:?}");
    assert_eq!(first.evidence.len(), first.because.len());
}

/// The shop, in which the first span of `stock` in every trace logs what `said` says of the trace's number.
fn logging(said: impl Fn(usize) -> Option<(&'static str, Level)>) -> Case {
    let mut tables = given(&shop(0, 0, true));
    let (stock, spans) = (tables.names.intern("stock"), tables.spans.clone());
    let mut seen = std::collections::BTreeSet::new();
    for span in spans.iter().filter(|span| span.service == stock && span.is_incoming()) {
        let Some((text, level)) = said(seen.len()).filter(|_| seen.insert(span.trace)) else { continue };
        let (template, sym) = (TemplateId(text.len() as u64), tables.names.intern(text));
        let stats = TemplateStats { text: sym, level, count: 1, window: span.window(), first: span.evidence };
        tables.templates.entry((template, stock)).or_insert(stats);
        tables.logs.push(Log {
            time: span.start,
            trace: span.trace,
            span: span.id,
            template,
            digest: 0,
            service: stock,
            instance: span.instance,
            logger: Default::default(),
            exception: Default::default(),
            level,
            evidence: span.evidence,
        });
    }
    crate::correlate::gather::gather(tables)
}

#[test]
fn a_statement_that_is_no_longer_logged() {
    let calm = logging(|_| Some(("reserved <*> of <*>", Level::Info)));
    let broken = logging(|n| Some(if n % 3 == 0 { ("reserved <*> of <*>", Level::Info) } else { ("no such item", Level::Info) }));
    let found = by_change(&broken, Some(&calm), None);
    let first = found.first().expect("a suspect");
    assert_eq!(first.service, "stock", "{found:?}");
    assert!(first.because.iter().any(|why| why.contains("was followed by \"reserved <*> of <*>\"")), "{first:?}");
    let reworded = logging(|_| Some(("reserved <*> of tea", Level::Info)));
    assert_eq!(by_change(&reworded, Some(&calm), None), Vec::new());
}

#[test]
fn a_span_in_which_an_error_is_logged_has_failed() {
    let calm = logging(|_| Some(("reserved", Level::Info)));
    let failing = logging(|n| Some(("reserved", if n % 2 == 0 { Level::Error } else { Level::Info })));
    let found = by_change(&failing, Some(&calm), None);
    assert!(
        found.first().is_some_and(|first| first.service == "stock" && first.because.iter().any(|why| why.contains("fails by itself"))),
        "{found:?}"
    );
    assert_eq!(by_change(&failing, Some(&failing), None), Vec::new(), "it always does");
}

#[test]
fn the_same_again_has_no_suspects() {
    assert_eq!(top(&shop(0, 0, true), &shop(0, 0, true)), Vec::new());
    let busier = many(0..400, 100, |n| format!("  gw GET /home 0-{}\n", 20 + n % 7));
    let calmer = many(0..60, 900, |n| format!("  gw GET /home 0-{}\n", 19 + n % 9));
    assert_eq!(top(&calmer, &busier), Vec::new(), "more of the same work");
}

#[test]
fn one_slow_call_is_no_change() {
    let calm = many(0..80, 500, |n| format!("  gw GET /home 0-{}\n", 20 + n % 7));
    let spike = many(0..80, 500, |n| format!("  gw GET /home 0-{}\n", if n == 40 { 4000 } else { 20 + n % 7 }));
    assert_eq!(top(&calm, &spike), Vec::new());
}

#[test]
fn without_a_calm_time_suspicion_stays_weak() {
    let found = by_change(&case(&shop(2000, 0, true)), None, None);
    assert!(found.iter().all(|suspect| suspect.score <= 0.3), "{found:?}");
    assert_eq!(found.first().map(|suspect| suspect.service.as_str()), Some("stock"));
}

#[test]
fn before_the_onset_is_the_calm_time() {
    let quiet = many(0..60, 500, |n| format!("  gw GET /home 0-{}\n", 20 + n % 7));
    let slow = many(60..120, 500, |n| format!("  gw GET /home 0-{}\n", 900 + n % 7));
    let both = case(&(quiet + &slow));
    let onset = both.context.window.start.plus(30_000_000_000);
    let found = by_change(&both, None, Some(onset));
    assert_eq!(found.first().map(|suspect| (suspect.service.as_str(), suspect.score > 0.5)), Some(("gw", true)), "{found:?}");
}

#[test]
fn two_grounds_are_more_than_one() {
    let suspect = |service: &str, score: f64| Suspect { service: service.to_owned(), score, because: vec![service.to_owned()], evidence: Vec::new() };
    let joined = joined(vec![suspect("a", 0.5)], vec![suspect("a", 0.5), suspect("b", 0.6)]);
    let told: Vec<(&str, f64)> = joined.iter().map(|suspect| (suspect.service.as_str(), suspect.score)).collect();
    assert_eq!(told, [("a", 0.75), ("b", 0.6)]);
}
