//! Retry storms of services whose calls no span shows: by what they log, what they count, and what access logs repeat.
//!
//! What this file does not do: say what spans already say; a service with client spans is judged by them.

use crate::correlate::Case;
use crate::correlate::calls::Party;
use crate::correlate::meter::Series;
use crate::correlate::probe::is_probe;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Signal;
use crate::model::time::{SECOND, Window};
use crate::rules::native::retry_storm::round;
use std::collections::{BTreeMap, BTreeSet};

/// A client's requests of one identity: service asked, client, request.
type Asked = (Sym, Sym, u64, Option<u64>);

pub(super) fn detect(case: &Case, rule: &Rule, out: &mut Vec<Finding>) {
    let traced: BTreeSet<Sym> =
        case.context.graph.edges().filter_map(|(from, ..)| Some(from).filter(|from| from.system.is_none())).map(|from| from.name).collect();
    let told: BTreeSet<String> = out.iter().flat_map(|finding| [finding.subject.service.clone(), finding.subject.peer.clone()]).collect();
    let is_new = |service: Sym| !traced.contains(&service) && !told.contains(case.tables.names.get(service));
    by_logs(case, rule, &is_new, out);
    by_counters(case, rule, &is_new, out);
    // Attempts that reach a callee are seen in its caller's spans, if it has any.
    let called: BTreeSet<Sym> = case.context.graph.edges().map(|(_, to, _): (Party, Party, _)| to).map(|to| to.name).collect();
    by_access_logs(case, rule, &|service| is_new(service) && !called.contains(&service), out);
}

fn base(case: &Case, rule: &Rule, kind: &str, service: Sym, window: Window) -> Finding {
    let subject = Subject { service: case.tables.names.get(service).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    kind.clone_into(&mut finding.kind);
    finding
}

/// How bad so many extra attempts are, if the callee is not seen: never worse than high.
fn severity(rule: &Rule, extra: f64) -> Severity {
    if extra >= rule.limit("many_extra_attempts") { Severity::High } else { Severity::Medium }
}

/// The stretch with most of the rows, of which those more than the gap of a repetition apart begin anew.
fn crowd<'r, 'a>(rule: &Rule, rows: &'r [&'a Signal]) -> &'r [&'a Signal] {
    let gap = (rule.limit("repeat_gap") * SECOND as f64) as i64;
    rows.chunk_by(|a, b| b.time.since(a.time) <= gap).max_by_key(|run| run.len()).unwrap_or_default()
}

fn by_logs(case: &Case, rule: &Rule, is_new: &impl Fn(Sym) -> bool, out: &mut Vec<Finding>) {
    let mut attempts: BTreeMap<Sym, Vec<&Signal>> = BTreeMap::new();
    for row in case.signals("retry.attempt").into_iter().filter(|row| is_new(row.service) && row.time.is_some()) {
        attempts.entry(row.service).or_default().push(row);
    }
    for (service, mut attempts) in attempts {
        attempts.sort_by_key(|row| (row.time, row.evidence));
        let crowd = crowd(rule, &attempts);
        let mut window = Window::default();
        crowd.iter().for_each(|row| window.add(row.time));
        let inside = |row: &&Signal| {
            row.service == service && window.holds(row.time.plus(-(rule.limit("repeat_gap") * SECOND as f64) as i64).max(window.start))
        };
        let exhausted: Vec<&Signal> = case.signals("retry.exhausted").into_iter().filter(inside).collect();
        let recovered = case.signals("retry.recovered").iter().filter(|row| inside(row)).count();
        // A sequence that counts up is one operation; what names no number is told apart by its trace, else not at all.
        let traces: BTreeSet<u128> = crowd.iter().map(|row| row.trace.0).filter(|trace| *trace != 0).collect();
        let first = crowd.iter().filter_map(|row| Some(row.value).filter(|value| value.is_finite())).fold(f64::INFINITY, f64::min);
        let begun = crowd.iter().filter(|row| row.value == first).count();
        let operations = begun.max(traces.len()).max(exhausted.len() + recovered);
        let many = crowd.len() as f64 >= rule.limit("extra_attempts") && operations as f64 >= rule.limit("operations");
        let in_vain = exhausted.len() as f64 >= rule.limit("exhausted") && exhausted.len() > recovered;
        if many && in_vain {
            out.push(logged(case, rule, service, window, crowd, &exhausted, operations));
        }
    }
}

fn logged(case: &Case, rule: &Rule, service: Sym, window: Window, crowd: &[&Signal], exhausted: &[&Signal], operations: usize) -> Finding {
    let mut finding = base(case, rule, "logged", service, window);
    finding.severity = severity(rule, crowd.len() as f64);
    finding.score = score(crowd.len() as f64, rule.limit("extra_attempts"), rule.limit("many_extra_attempts"));
    let numbered = crowd.iter().any(|row| row.value.is_finite());
    finding.confidence = Belief::new()
        .with("records of further attempts", Input::Logs, if numbered { 0.7 } else { 0.55 })
        .with("records of requests that failed after all attempts", Input::Logs, 0.4)
        .value();
    let most = crowd.iter().chain(exhausted).map(|row| row.value).filter(|value| value.is_finite()).fold(1.0, f64::max);
    finding
        .measure_against("extra_attempts", crowd.len() as f64, "attempts", rule.limit("extra_attempts"))
        .measure_against("exhausted", exhausted.len() as f64, "requests", rule.limit("exhausted"))
        .measure("retried_calls", operations as f64, "requests")
        .measure("amplification", round(1.0 + crowd.len() as f64 / operations.max(1) as f64), "attempts per retried request")
        .measure("max_attempts", most, "")
        .measure("length_s", round(window.nanos() as f64 / SECOND as f64), "s");
    finding
        .look_alike("Retries that help", "excluded: more requests failed after all attempts than recovered")
        .look_alike("One operation that is tried without end", format!("excluded: {operations} requests were sent again"));
    finding.cite(exhausted.iter().take(3).chain(crowd).map(|row| row.evidence).collect::<Vec<_>>());
    finding.evidence_total = (crowd.len() + exhausted.len()) as u64;
    finding
}

fn by_counters(case: &Case, rule: &Rule, is_new: &impl Fn(Sym) -> bool, out: &mut Vec<Finding>) {
    let mut calls: BTreeMap<(Sym, &str), BTreeMap<&str, Vec<Series<'_>>>> = BTreeMap::new();
    for series in case.series("resilience4j.retry.calls").filter(|series| is_new(series.service)) {
        if let (Some(name), Some(kind)) = (series.label("name"), series.label("kind")) {
            calls.entry((series.service, name)).or_default().entry(kind).or_default().push(series);
        }
    }
    for ((service, name), kinds) in calls {
        let gained = |wanted: &str| kinds.get(wanted).into_iter().flatten().map(Series::gained).sum::<f64>();
        let (helped, failed) = (gained("successful_with_retry"), gained("failed_with_retry"));
        let all = helped + failed + gained("successful_without_retry") + gained("failed_without_retry");
        let percent = 100.0 * (helped + failed) / all.max(1.0);
        let failing = 100.0 * failed / all.max(1.0);
        if helped + failed < rule.limit("extra_attempts") || percent < rule.limit("extra_percent") || failing < rule.limit("callee_error_percent") {
            continue;
        }
        let mut window = Window::default();
        let retried = || kinds.iter().filter(|(kind, _)| kind.ends_with("_with_retry")).flat_map(|(_, series)| series);
        let mut points: Vec<Evidence> = Vec::new();
        for series in retried() {
            for pair in series.points.windows(2).filter(|pair| pair[1].value > pair[0].value) {
                window.add(pair[0].time);
                window.add(pair[1].time);
                points.push(pair[1].evidence);
            }
        }
        let mut finding = base(case, rule, "metered", service, window);
        finding.subject.operation = name.to_owned();
        finding.severity = severity(rule, helped + failed);
        finding.score = score(percent, rule.limit("extra_percent"), 2.0 * rule.limit("extra_percent"));
        finding.confidence = Belief::new().with("counters of calls that were retried", Input::Metrics, 0.6).value();
        finding
            .measure("requests", all, "requests")
            .measure_against("retried_calls", helped + failed, "requests", rule.limit("extra_attempts"))
            .measure("exhausted", failed, "requests")
            .measure_against("extra_percent", round(percent), "percent of requests", rule.limit("extra_percent"))
            .measure_against("callee_error_percent", round(failing), "percent of requests", rule.limit("callee_error_percent"))
            .word("name", name)
            .look_alike("Retries that help", format!("{} % of the requests failed after all attempts", round(failing)))
            .look_alike("Counters of an earlier time", "excluded: only what was gained within the bundle counts");
        points.sort_unstable();
        finding.cite(points);
        if !finding.evidence.is_empty() {
            out.push(finding);
        }
    }
}

/// What follows the requests of a service in its access log.
#[derive(Default)]
struct Repeats<'a> {
    /// Failures, and those after which the same was asked for again.
    failures: u64,
    repeated: Vec<&'a Request>,
    /// The same of successes.
    successes: u64,
    asked_again: u64,
    window: Window,
}

fn by_access_logs(case: &Case, rule: &Rule, is_new: &impl Fn(Sym) -> bool, out: &mut Vec<Finding>) {
    let mut probes: BTreeMap<Sym, bool> = BTreeMap::new();
    let mut is_probe_of = |operation: Sym| *probes.entry(operation).or_insert_with(|| is_probe(case.tables.names.get(operation)));
    let mut asked: BTreeMap<Asked, Vec<&Request>> = BTreeMap::new();
    let mut forwarded: BTreeMap<Sym, Vec<&Request>> = BTreeMap::new();
    let told = |row: &&Request| row.is_access && !row.is_call && row.status > 0 && row.time.is_some() && is_new(row.service);
    for row in case.tables.requests.iter().filter(told) {
        if is_probe_of(row.operation) {
            continue;
        }
        forwarded.entry(row.service).or_default().push(row);
        if row.fingerprint != 0 && !row.client.is_none() {
            asked.entry((row.service, row.client, row.fingerprint, row.request_bytes)).or_default().push(row);
        }
    }
    let mut services: BTreeMap<Sym, Repeats<'_>> = BTreeMap::new();
    for ((service, ..), mut rows) in asked {
        rows.sort_by_key(|row| (row.start(), row.evidence));
        note(rule, &rows, services.entry(service).or_default());
    }
    out.extend(forwarded.iter().filter_map(|(service, rows)| by_gateway(case, rule, *service, rows)));
    let rows_of = |service: &Sym| forwarded.get(service).map(Vec::as_slice).unwrap_or_default();
    out.extend(services.iter().filter_map(|(service, repeats)| by_clients(case, rule, *service, repeats, rows_of(service))));
}

/// Whether a request may be sent again by a client that did not get what it asked for.
fn fails(row: &Request) -> bool {
    row.status >= 500 || matches!(row.status, 408 | 429 | 499)
}

fn note<'a>(rule: &Rule, rows: &[&'a Request], into: &mut Repeats<'a>) {
    let gap = (rule.limit("repeat_gap") * SECOND as f64) as i64;
    for (at, row) in rows.iter().enumerate() {
        let next = rows.get(at + 1).filter(|next| next.start().since(row.time) <= gap && next.start().plus(5_000_000) >= row.time);
        match (fails(row), next) {
            (true, next) => {
                into.failures += 1;
                if let Some(next) = next {
                    into.repeated.push(next);
                    into.window.add(row.time);
                    into.window.add(next.time);
                }
            }
            (false, next) => {
                into.successes += 1;
                into.asked_again += u64::from(next.is_some());
            }
        }
    }
}

fn by_clients(case: &Case, rule: &Rule, service: Sym, repeats: &Repeats<'_>, rows: &[&Request]) -> Option<Finding> {
    let extra = repeats.repeated.len() as f64;
    let after_failure = 100.0 * extra / repeats.failures.max(1) as f64;
    let after_success = 100.0 * repeats.asked_again as f64 / repeats.successes.max(1) as f64;
    let (mut during, mut failed) = (0_u64, 0_u64);
    rows.iter().filter(|row| repeats.window.holds(row.time)).for_each(|row| {
        during += 1;
        failed += u64::from(row.failed());
    });
    let percent = 100.0 * extra / during.max(1) as f64;
    let amplification = during as f64 / (during as f64 - extra).max(1.0);
    let errors = 100.0 * failed as f64 / during.max(1) as f64;
    let is_retry = after_failure >= rule.limit("repeat_percent") && after_failure >= rule.limit("repeat_lift") * after_success;
    let is_many = extra >= rule.limit("extra_attempts") && (percent >= rule.limit("extra_percent") || amplification >= rule.limit("amplification"));
    if !is_retry || !is_many || errors < rule.limit("callee_error_percent") {
        return None;
    }
    let mut finding = base(case, rule, "repeated", service, repeats.window);
    finding.severity = severity(rule, extra);
    finding.score = score(amplification, rule.limit("amplification"), rule.upper("amplification")).max(score(
        percent,
        rule.limit("extra_percent"),
        2.0 * rule.limit("extra_percent"),
    ));
    finding.confidence = Belief::new().with("the same request again after a failure", Input::Requests, 0.7).value();
    finding
        .measure_against("extra_attempts", extra, "attempts", rule.limit("extra_attempts"))
        .measure("requests", during as f64 - extra, "requests")
        .measure("attempts", during as f64, "attempts")
        .measure_against("amplification", round(amplification), "attempts per request", rule.limit("amplification"))
        .measure_against("extra_percent", round(percent), "percent of attempts", rule.limit("extra_percent"))
        .measure_against("callee_error_percent", round(errors), "percent of attempts", rule.limit("callee_error_percent"))
        .measure_against("repeat_percent", round(after_failure), "percent of failures", rule.limit("repeat_percent"))
        .measure("repeat_success_percent", round(after_success), "percent of successes")
        .look_alike("A path that everybody asks for", format!("excluded: after a success the same comes again in {} % only", round(after_success)))
        .look_alike("Polling", "excluded: it goes on after successes too");
    finding.cite(repeats.repeated.iter().map(|row| row.evidence).collect::<Vec<_>>());
    Some(finding)
}

fn by_gateway(case: &Case, rule: &Rule, service: Sym, rows: &[&Request]) -> Option<Finding> {
    let tried: Vec<&&Request> = rows.iter().filter(|row| row.upstream_attempts > 1).collect();
    let mut window = Window::default();
    tried.iter().for_each(|row| window.add(row.time));
    let (mut requests, mut attempts, mut failed) = (0_u64, 0_u64, 0_u64);
    for row in rows.iter().filter(|row| window.holds(row.time) && row.upstream_attempts > 0) {
        requests += 1;
        attempts += u64::from(row.upstream_attempts);
        failed += u64::from(row.failed());
    }
    let extra = attempts.saturating_sub(requests) as f64;
    let (mean, percent) = (attempts as f64 / requests.max(1) as f64, 100.0 * extra / attempts.max(1) as f64);
    let errors = 100.0 * failed as f64 / requests.max(1) as f64;
    let is_many = extra >= rule.limit("extra_attempts") && (mean >= rule.limit("amplification") || percent >= rule.limit("extra_percent"));
    if !is_many || errors < rule.limit("callee_error_percent") {
        return None;
    }
    let mut finding = base(case, rule, "forwarded", service, window);
    finding.severity = severity(rule, extra);
    finding.score = score(mean, rule.limit("amplification"), rule.upper("amplification")).max(score(
        percent,
        rule.limit("extra_percent"),
        2.0 * rule.limit("extra_percent"),
    ));
    finding.confidence = Belief::new().with("several upstreams for one request", Input::Requests, 0.85).value();
    let most = tried.iter().map(|row| row.upstream_attempts).max().unwrap_or(0);
    finding
        .measure_against("extra_attempts", extra, "attempts", rule.limit("extra_attempts"))
        .measure("requests", requests as f64, "requests")
        .measure("attempts", attempts as f64, "attempts")
        .measure_against("amplification", round(mean), "attempts per request", rule.limit("amplification"))
        .measure_against("extra_percent", round(percent), "percent of attempts", rule.limit("extra_percent"))
        .measure_against("callee_error_percent", round(errors), "percent of requests", rule.limit("callee_error_percent"))
        .measure("max_attempts", f64::from(most), "attempts")
        .measure("retried_calls", tried.len() as f64, "requests")
        .look_alike("A second upstream that helps", format!("{} % failed all the same", round(errors)))
        .look_alike("One upstream that is down", "excluded: requests fail at the further ones, too");
    finding.cite(tried.iter().map(|row| row.evidence).collect::<Vec<_>>());
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        check(&rule("retry-storm"), &bundle(files), None)
    }

    fn line(second: u32, level: &str, message: &str) -> String {
        format!("2026-01-01T10:{:02}:{:02}.000Z {level} 1 --- [orders] [exec-1] c.a.Pay : {message}\n", second / 60, second % 60)
    }

    #[test]
    fn a_log_of_attempts_in_vain() {
        let one = |n: u32| {
            line(n * 3, "WARN", "Attempt 1 of 3 failed")
                + &line(n * 3 + 1, "WARN", "Attempt 2 of 3 failed")
                + &line(n * 3 + 2, "ERROR", "Giving up after 3 attempts")
        };
        let storm: String = (0..30).map(one).collect();
        let findings = found(&[("orders/app.log", &storm)]);
        assert_eq!(
            findings.iter().map(|finding| (finding.subject.service.as_str(), finding.kind.as_str())).collect::<Vec<_>>(),
            [("orders", "logged")]
        );
        assert_eq!((measured(&findings[0], "extra_attempts"), measured(&findings[0], "exhausted")), (60.0, 30.0));
        let helped: String = (0..60).map(|n| line(n, "WARN", "Attempt 1 of 3 failed")).collect();
        assert!(found(&[("orders/app.log", &helped)]).is_empty(), "nobody gave up");
        let reconnect: String = (1..80).map(|n| line(n * 5, "WARN", &format!("Connection lost, attempt {n} of 1000"))).collect();
        assert!(found(&[("orders/app.log", &reconnect)]).is_empty(), "one connection that is tried again and again");
    }

    #[test]
    fn counters_of_a_decorator() {
        let scrape = |n: i64, retried: i64, failed: i64| {
            let time = 1_795_428_000_000_i64 + n * 15_000;
            format!(
                "# TYPE resilience4j_retry_calls_total counter\nresilience4j_retry_calls_total{{name=\"pay\",kind=\"successful_without_retry\"}} {} {time}\nresilience4j_retry_calls_total{{name=\"pay\",kind=\"successful_with_retry\"}} {retried} {time}\nresilience4j_retry_calls_total{{name=\"pay\",kind=\"failed_with_retry\"}} {failed} {time}\n",
                n * 10
            )
        };
        let storm: String = (0..20).map(|n| scrape(n, n, n * 5)).collect();
        let findings = found(&[("orders/metrics.prom", &storm)]);
        assert_eq!(findings.iter().map(|finding| finding.kind.as_str()).collect::<Vec<_>>(), ["metered"]);
        assert_eq!((measured(&findings[0], "exhausted"), measured(&findings[0], "retried_calls")), (95.0, 114.0));
        let old: String = (0..20).map(|n| scrape(n, 500, 900)).collect();
        assert!(found(&[("orders/metrics.prom", &old)]).is_empty(), "gained before the bundle begins");
        let helps: String = (0..20).map(|n| scrape(n, n * 8, 0)).collect();
        assert!(found(&[("orders/metrics.prom", &helps)]).is_empty(), "every retry helped");
    }

    fn access(second: u32, client: u32, path: &str, status: u16) -> String {
        format!(
            "10.0.0.{client} - - [01/Jan/2026:10:{:02}:{:02} +0000] \"POST {path} HTTP/1.1\" {status} 20 \"-\" \"java\" rt=0.010\n",
            second / 60,
            second % 60
        )
    }

    #[test]
    fn an_access_log_of_the_callee() {
        let tried = |n: u32, attempts: u32| {
            (0..attempts).map(|k| access(n * 4 + k, n % 7, &format!("/charges/{n}"), if k < 2 { 503 } else { 201 })).collect::<String>()
        };
        let storm: String = (0..60).map(|n| tried(n, 3)).collect();
        let findings = found(&[("payments/access.log", &storm)]);
        assert_eq!(
            findings.iter().map(|finding| (finding.subject.service.as_str(), finding.kind.as_str())).collect::<Vec<_>>(),
            [("payments", "repeated")]
        );
        assert_eq!((measured(&findings[0], "extra_attempts"), measured(&findings[0], "amplification")), (120.0, 3.0));
        let popular: String = (0..400).map(|n| access(n, 1, "/quote", if n % 4 == 0 { 503 } else { 200 })).collect();
        assert!(found(&[("payments/access.log", &popular)]).is_empty(), "asked for after successes too");
        let alone: String = (0..200).map(|n| access(n, n % 7, &format!("/charges/{n}"), if n % 3 == 0 { 503 } else { 201 })).collect();
        assert!(found(&[("payments/access.log", &alone)]).is_empty(), "nobody asks again");
    }

    #[test]
    fn a_gateway_that_tries_the_next_upstream() {
        let line = |n: u32, statuses: &str, status: u16| {
            format!(
                "10.0.0.9 - - [01/Jan/2026:10:{:02}:{:02} +0000] \"GET /api/orders/{n} HTTP/1.1\" {status} 167 \"-\" \"curl\" rt=1.002 us=\"{statuses}\" ua=\"{}\"\n",
                n / 60,
                n % 60,
                if statuses.contains(',') { "10.0.0.7:8080, 10.0.0.8:8080" } else { "10.0.0.7:8080" }
            )
        };
        let storm: String = (0..80).map(|n| if n % 2 == 0 { line(n, "502, 502", 502) } else { line(n, "200", 200) }).collect();
        let findings = found(&[("gateway/access.log", &storm)]);
        assert_eq!(findings.iter().map(|finding| finding.kind.as_str()).collect::<Vec<_>>(), ["forwarded"]);
        assert_eq!(measured(&findings[0], "extra_attempts"), 40.0);
        let helps: String = (0..80).map(|n| if n % 2 == 0 { line(n, "502, 200", 200) } else { line(n, "200", 200) }).collect();
        assert!(found(&[("gateway/access.log", &helps)]).is_empty());
    }
}
