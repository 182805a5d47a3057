//! `pods-not-ready`: pods that cannot be scheduled, do not become ready, or start and end again and again.
//!
//! What this file does not do: say what became of the requests; see `autoscaling_ineffective`.

use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::correlate::replicas::Homes;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "pods-not-ready", thresholds: &["lasting_s", "times", "half_percent"], detect };

/// Reasons of events that keep a pod from being ready, the gravest first.
const REASONS: [&str; 8] =
    ["FailedScheduling", "BackOff", "OOMKilling", "FailedMount", "FailedCreatePodSandBox", "Failed", "FailedCreate", "Unhealthy"];

/// States of containers that wait for something that does not come by itself.
const STUCK: [&str; 6] =
    ["CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError", "RunContainerError", "InvalidImageName"];

/// What keeps the pods of a service from being ready.
#[derive(Default)]
struct Trouble {
    pods: BTreeSet<String>,
    reasons: BTreeMap<String, u64>,
    message: String,
    longest: i64,
    looping: bool,
    restarts: f64,
    window: Window,
    evidence: Vec<Evidence>,
    inputs: BTreeSet<Input>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let loads = case.loads();
    let homes = Homes::of(case, loads);
    let mut troubles: BTreeMap<Sym, Trouble> = BTreeMap::new();
    by_events(case, rule, &homes, &mut troubles);
    by_states(case, rule, &homes, &mut troubles);
    for (service, trouble) in &troubles {
        out.extend(finding(case, rule, *service, trouble));
    }
    let told: BTreeSet<&str> = troubles.keys().map(|service| case.tables.names.get(*service)).collect();
    for (service, short) in short_of_replicas(case, rule, &homes) {
        if !told.contains(service.as_str()) {
            out.push(replicas(rule, service, &short));
        }
    }
}

fn by_events(case: &Case, rule: &Rule, homes: &Homes<'_>, troubles: &mut BTreeMap<Sym, Trouble>) {
    let names = &case.tables.names;
    let limit = (rule.limit("lasting_s") * SECOND as f64) as i64;
    let mut by_pod: BTreeMap<(Sym, Sym), Vec<&crate::model::platform::Event>> = BTreeMap::new();
    for event in
        case.tables.events.iter().filter(|event| event.warning && names.get(event.kind) == "Pod" && REASONS.contains(&names.get(event.reason)))
    {
        // A liveness check that fails is another matter.
        if names.get(event.reason) != "Unhealthy"
            || names.get(event.message).starts_with("Readiness")
            || names.get(event.message).starts_with("Startup")
        {
            by_pod.entry((event.service, event.object)).or_default().push(event);
        }
    }
    for ((workload, pod), events) in by_pod {
        let start = events.iter().map(|event| if event.first.is_some() { event.first } else { event.time }).filter(|time| time.is_some()).min();
        let end = events.iter().map(|event| event.time).max().unwrap_or(Time::NONE);
        let lasted = start.map_or(0, |start| end.since(start));
        let times: u64 = events.iter().map(|event| u64::from(event.count)).sum();
        // Of a scheduled job the last part but one is the time.
        let is_job = names.get(pod).rsplit('-').nth(1).is_some_and(|part| part.len() >= 8 && part.bytes().all(|b| b.is_ascii_digit()));
        // A pod that was stopped was wanted gone: its checks fail while it drains.
        let drained = case
            .tables
            .events
            .iter()
            .any(|event| event.object == pod && matches!(names.get(event.reason), "Evicted" | "NodeNotReady" | "TaintManagerEviction"));
        if lasted < limit || (times as f64) < rule.limit("times") || is_job || drained {
            continue;
        }
        let trouble = troubles.entry(homes.of_workload(workload)).or_default();
        trouble.pods.insert(names.get(pod).to_owned());
        trouble.longest = trouble.longest.max(lasted);
        trouble.inputs.insert(Input::Events);
        let gravest = events.iter().min_by_key(|event| REASONS.iter().position(|reason| *reason == names.get(event.reason)));
        for event in &events {
            *trouble.reasons.entry(names.get(event.reason).to_owned()).or_default() += u64::from(event.count);
            trouble.window.add(event.first);
            trouble.window.add(event.time);
            trouble.evidence.push(event.evidence);
            trouble.looping |= names.get(event.reason) == "BackOff" && names.get(event.message).contains("restarting failed");
        }
        if let Some(event) = gravest.filter(|_| trouble.message.is_empty()) {
            names.get(event.message).clone_into(&mut trouble.message);
        }
    }
}

/// Pods whose listing says that a container waits for what does not come, after several restarts.
fn by_states(case: &Case, rule: &Rule, homes: &Homes<'_>, troubles: &mut BTreeMap<Sym, Trouble>) {
    let restarts: BTreeMap<&str, f64> = case
        .series("kube.pod.container.status.restarts")
        .filter_map(|series| Some((series.label("pod")?, series.highest()?.value)))
        .fold(BTreeMap::new(), |mut all, (pod, count)| {
            let known = all.entry(pod).or_insert(0.0_f64);
            *known = known.max(count);
            all
        });
    for series in case.series("kube.pod.container.status.waiting.reason") {
        let (Some(pod), Some(reason)) = (series.label("pod"), series.label("reason")) else { continue };
        let count = restarts.get(pod).copied().unwrap_or(0.0);
        let looping = reason == "CrashLoopBackOff";
        let Some(point) = series.highest().filter(|point| point.value > 0.0 && STUCK.contains(&reason) && (!looping || count >= rule.limit("times")))
        else {
            continue;
        };
        let trouble = troubles.entry(homes.of_workload(series.service)).or_default();
        trouble.pods.insert(pod.to_owned());
        *trouble.reasons.entry(reason.to_owned()).or_default() += 1;
        trouble.restarts = trouble.restarts.max(count);
        trouble.looping |= looping;
        trouble.evidence.push(point.evidence);
        trouble.inputs.insert(Input::Metrics);
        series.points.iter().for_each(|point| trouble.window.add(point.time));
    }
}

fn finding(case: &Case, rule: &Rule, service: Sym, trouble: &Trouble) -> Option<Finding> {
    let mut finding = Finding::new(&rule.id, Subject { service: case.tables.names.get(service).to_owned(), ..Subject::default() }, trouble.window);
    let seconds = round(trouble.longest as f64 / SECOND as f64);
    let many = trouble.pods.len() as f64;
    if trouble.looping {
        "crash-loop".clone_into(&mut finding.kind);
    }
    finding.severity = if many > 1.0 && seconds >= rule.upper("lasting_s") { Severity::High } else { Severity::Medium };
    finding.score = score(seconds.max(rule.limit("lasting_s")), rule.limit("lasting_s"), rule.upper("lasting_s"));
    let input = *trouble.inputs.first()?;
    finding.confidence = Belief::new()
        .with("what the platform says of the pods", input, 0.75)
        .with_if(trouble.inputs.len() > 1, "the state of the pods", Input::Metrics, 0.5)
        .with_if(many > 1.0, "several pods", input, 0.3)
        .value();
    let mut reasons: Vec<(&String, &u64)> = trouble.reasons.iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    finding
        .measure("pods", many, "pods")
        .measure_against("lasting_s", seconds, "s", rule.limit("lasting_s"))
        .measure("restarts", trouble.restarts, "restarts")
        .measure("events", trouble.reasons.values().sum::<u64>() as f64, "events")
        .word("reason", reasons.iter().map(|(reason, count)| format!("{reason} ({count})")).collect::<Vec<_>>().join(", "))
        .word("message", if trouble.message.is_empty() { String::new() } else { format!("\"{}\".", trouble.message.trim_end_matches('.')) })
        .look_alike("A start or a rollout", format!("excluded: it lasted {seconds} s, or the containers start again and again"))
        .look_alike("Pods of jobs", "excluded by their names")
        .look_alike("A drained node", "excluded: nothing evicted these pods");
    finding.cite(trouble.evidence.iter().copied());
    Some(finding)
}

/// A workload that has fewer replicas ready than it wants.
struct Short {
    window: Window,
    ready: f64,
    wanted: f64,
    evidence: Vec<Evidence>,
}

fn short_of_replicas(case: &Case, rule: &Rule, homes: &Homes<'_>) -> BTreeMap<String, Short> {
    let mut found = BTreeMap::new();
    let wanted: Vec<Series<'_>> = case.series("kube.deployment.spec.replicas").collect();
    for ready in case.series("kube.deployment.status.replicas.ready") {
        let key = ready.label("deployment");
        let Some(wanted) = wanted.iter().find(|series| series.label("deployment") == key && series.label("namespace") == ready.label("namespace"))
        else {
            continue;
        };
        let lacking: Vec<bool> = ready
            .points
            .iter()
            .map(|point| {
                wanted.at(point.time).is_some_and(|wanted| 100.0 * point.value <= rule.limit("half_percent") * wanted && wanted > point.value)
            })
            .collect();
        let points: Vec<_> = ready.points.iter().zip(lacking).collect();
        let Some(run) = points.chunk_by(|a, b| a.1 == b.1).filter(|run| run.first().is_some_and(|(_, lacks)| *lacks)).max_by_key(|run| run.len())
        else {
            continue;
        };
        let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { continue };
        if (last.time.since(first.time) as f64) < rule.limit("lasting_s") * SECOND as f64 {
            continue;
        }
        let names = &case.tables.names;
        let about = key.unwrap_or_else(|| names.get(ready.service));
        let service = homes.of_text(about).map_or(about, |service| names.get(service)).to_owned();
        let short = Short {
            window: Window::of(first.time, last.time),
            ready: last.value,
            wanted: wanted.at(last.time).unwrap_or(0.0),
            evidence: vec![first.evidence, last.evidence],
        };
        found.insert(service, short);
    }
    found
}

fn replicas(rule: &Rule, service: String, short: &Short) -> Finding {
    let mut finding = Finding::new(&rule.id, Subject { service, ..Subject::default() }, short.window);
    let seconds = round(short.window.nanos() as f64 / SECOND as f64);
    "replicas".clone_into(&mut finding.kind);
    finding.severity = Severity::Medium;
    finding.score = score(seconds, rule.limit("lasting_s"), rule.upper("lasting_s"));
    finding.confidence = Belief::new().with("replicas that are wanted and not ready", Input::Metrics, 0.75).value();
    finding
        .measure("ready", short.ready, "replicas")
        .measure("wanted", short.wanted, "replicas")
        .measure("pods", short.wanted - short.ready, "pods")
        .measure_against("lasting_s", seconds, "s", rule.limit("lasting_s"))
        .measure("restarts", 0.0, "restarts")
        .word("reason", "")
        .word("message", "")
        .look_alike("A start or a rollout", format!("excluded: half of the replicas were missing for {seconds} s"));
    finding.cite(short.evidence.iter().copied());
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Finding;
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn event(pod: &str, reason: &str, message: &str, count: u32, (first, last): (&str, &str)) -> String {
        format!(
            "{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"involvedObject\":{{\"kind\":\"Pod\",\"name\":\"{pod}\"}},\"reason\":\"{reason}\",\"message\":\"{message}\",\"type\":\"Warning\",\"count\":{count},\"firstTimestamp\":\"2026-01-01T10:{first}Z\",\"lastTimestamp\":\"2026-01-01T10:{last}Z\"}}\n"
        )
    }

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        check(&rule("pods-not-ready"), &bundle(files), None)
    }

    #[test]
    fn starts_rollouts_drains_and_jobs_are_healthy() {
        let readiness = "Readiness probe failed: HTTP probe failed with statuscode: 503";
        for calm in [
            event("orders-7d9f8b6c5d-aaa01", "Unhealthy", readiness, 6, ("05:00", "06:10")),
            event("orders-7d9f8b6c5d-aaa01", "Unhealthy", readiness, 2, ("05:00", "25:10")),
            event("orders-7d9f8b6c5d-aaa01", "FailedScheduling", "0/5 nodes are available", 3, ("05:00", "06:30")),
            event("nightly-28012345-abcde", "BackOff", "Back-off restarting failed container", 9, ("05:00", "25:00")),
            event("orders-7d9f8b6c5d-aaa01", "Unhealthy", readiness, 9, ("05:00", "25:00"))
                + &event("orders-7d9f8b6c5d-aaa01", "Evicted", "drained", 1, ("25:00", "25:00")),
        ] {
            assert!(found(&[("events.json", &calm)]).is_empty(), "{calm}");
        }
    }

    #[test]
    fn pods_that_no_node_takes() {
        let events: String = (0..5)
            .map(|n| {
                event(
                    &format!("orders-7d9f8b6c5d-aaa0{n}"),
                    "FailedScheduling",
                    "0/5 nodes are available: 5 Insufficient cpu.",
                    12,
                    ("05:00", "20:00"),
                )
            })
            .collect();
        let found = found(&[("events.json", &events)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), measured(&found[0], "pods"), measured(&found[0], "lasting_s")), ("orders", 5.0, 900.0));
        assert!(found[0].words["message"].contains("Insufficient cpu"));
    }

    #[test]
    fn a_listing_of_pods_that_crash() {
        let table = "NAME                      READY   STATUS             RESTARTS       AGE\norders-7d9f8b6c5d-aaa01   0/1     CrashLoopBackOff   14 (3m ago)    1h\norders-7d9f8b6c5d-aaa02   1/1     Running            0              1h\n";
        let found = found(&[("pods.txt", table)]);
        assert_eq!((found.len(), found[0].kind.as_str(), measured(&found[0], "restarts")), (1, "crash-loop", 14.0));
        let calm = table.replace("0/1     CrashLoopBackOff   14 (3m ago)", "0/1     Completed          0          ");
        assert!(super::tests::found(&[("pods.txt", &calm)]).is_empty());
    }

    #[test]
    fn a_deployment_without_half_of_its_replicas() {
        let loop_of = |ready: &dyn Fn(u32) -> u32| -> String {
            (0..8)
                .map(|n| {
                    format!(
                        "2026-01-01T10:{n:02}:00Z\nNAME     READY   UP-TO-DATE   AVAILABLE   AGE\norders   {}/8     8            {}           2d\n",
                        ready(n),
                        ready(n)
                    )
                })
                .collect()
        };
        let found = found(&[("deploy.txt", &loop_of(&|n| if n < 2 { 8 } else { 3 }))]);
        assert_eq!((found.len(), measured(&found[0], "ready"), measured(&found[0], "wanted")), (1, 3.0, 8.0));
        assert!(super::tests::found(&[("deploy.txt", &loop_of(&|n| if n == 2 { 3 } else { 8 }))]).is_empty());
    }
}
