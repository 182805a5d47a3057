use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

/// Lines of a job on one instance: seconds after 02:00 and message.
fn log(lines: &[(u32, &str)]) -> String {
    let line = |(seconds, message): &(u32, &str)| {
        let (hours, minutes, seconds) = (2 + seconds / 3600 % 20, seconds / 60 % 60, seconds % 60);
        format!(
            "2026-01-0{}T{hours:02}:{minutes:02}:{seconds:02}.010Z  INFO 1 --- [billing] [   scheduling-1] c.acme.billing.jobs.InvoiceJob : {message}\n",
            1
        )
    };
    lines.iter().map(line).collect()
}

fn run(start: u32, keys: &[&str]) -> Vec<(u32, String)> {
    let mut lines = vec![(start, "Starting nightly invoice run".to_owned())];
    lines.extend(keys.iter().zip(1..).map(|(key, n)| (start + n, format!("Invoice mail sent invoice={key}"))));
    lines.push((start + keys.len() as u32 + 2, "Nightly invoice run finished".to_owned()));
    lines
}

fn pod(runs: &[Vec<(u32, String)>]) -> String {
    let lines: Vec<(u32, &str)> = runs.iter().flatten().map(|(at, text)| (*at, text.as_str())).collect();
    log(&lines)
}

fn found(pods: &[(&str, String)]) -> Vec<Finding> {
    let paths: Vec<String> = pods.iter().map(|(pod, _)| format!("billing/{pod}.log")).collect();
    let files: Vec<(&str, &str)> = paths.iter().zip(pods).map(|(path, (_, text))| (path.as_str(), text.as_str())).collect();
    check(&rule("duplicate-job-execution"), &bundle(&files), None)
}

const A: &str = "billing-7d9f5b6c8d-b4xkq";
const B: &str = "billing-7d9f5b6c8d-c7zvm";
const C: &str = "billing-7d9f5b6c8d-d9wtl";

#[test]
fn three_pods_run_what_one_ran_before() {
    let hour = 3600;
    let keys = ["INV-1", "INV-2", "INV-3"];
    let all: Vec<_> = (0..4).map(|n| run(n * hour, &keys)).collect();
    let later: Vec<_> = (1..4).map(|n| run(n * hour + 1, &keys)).collect();
    let found = found(&[(A, pod(&all)), (B, pod(&later)), (C, pod(&later))]);
    assert_eq!(found.len(), 1, "{found:?}");
    let first = &found[0];
    assert_eq!((first.severity, first.subject.service.as_str(), first.subject.operation.as_str()), (Severity::High, "billing", "InvoiceJob"));
    assert_eq!((measured(first, "duplicated_ticks"), measured(first, "ticks"), measured(first, "extra_runs")), (3.0, 4.0, 6.0));
    assert_eq!((measured(first, "instances"), measured(first, "instances_before")), (3.0, 1.0));
    assert!(first.window.start.rfc3339().starts_with("2026-01-01T03:00:00"), "{:?}", first.window);
}

#[test]
fn schedules_that_began_at_different_times() {
    let every = |offset: u32| -> Vec<_> { (0..8).map(|n| run(offset + n * 60, &["INV-1", "INV-2"])).collect() };
    let found = found(&[(A, pod(&every(5))), (B, pod(&every(31)))]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind.as_str(), found[0].severity), ("free-running", Severity::High));
    assert_eq!((measured(&found[0], "period_s"), measured(&found[0], "instances")), (60.0, 2.0));
}

#[test]
fn a_lock_that_ends_before_its_run() {
    let first = log(&[(0, "Locked 'export', lock will be held at most until 2026-01-01T02:05:00Z"), (750, "Task finished, lock 'export' released")]);
    let second =
        log(&[(600, "Locked 'export', lock will be held at most until 2026-01-01T02:15:00Z"), (1300, "Task finished, lock 'export' released")]);
    let found = found(&[(A, first), (B, second)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].severity, found[0].subject.operation.as_str()), (Severity::Medium, "export"));
    assert!(found[0].words["locks"].contains("same time"));
}

#[test]
fn a_lock_that_works_is_silent() {
    let winner: Vec<(u32, &str)> = (0..5)
        .flat_map(|n| {
            [(n * 600, "Locked 'x', lock will be held at most until 2026-01-01T09:00:00Z"), (n * 600 + 20, "Task finished, lock 'x' released")]
        })
        .collect();
    let loser: Vec<(u32, &str)> = (0..5).map(|n| (n * 600, "Not executing 'x'. It's locked.")).collect();
    assert!(found(&[(A, log(&winner)), (B, log(&loser)), (C, log(&loser))]).is_empty());
}

#[test]
fn shards_are_no_duplicates() {
    let shard = |n: u32| -> String {
        let text = format!("Starting settlement shard={n}");
        let lines: Vec<(u32, &str)> = (0..4).map(|hour| (hour * 3600, text.as_str())).collect();
        log(&lines)
    };
    assert!(found(&[(A, shard(0)), (B, shard(1)), (C, shard(2))]).is_empty());
    let part = |key: &str| pod(&(0..4).map(|hour| run(hour * 3600, &[&format!("INV-{key}1"), &format!("INV-{key}2")])).collect::<Vec<_>>());
    assert!(found(&[(A, part("a")), (B, part("b"))]).is_empty(), "rows claimed by one each");
}

#[test]
fn a_restart_is_no_duplicate() {
    let first = log(&[(0, "Starting nightly invoice run"), (2, "Invoice mail sent invoice=INV-1")]);
    let second = pod(&[run(4, &["INV-1", "INV-2"])]);
    assert!(found(&[(A, first), (B, second)]).is_empty());
}

#[test]
fn one_instance_is_never_a_duplicate() {
    let lines: Vec<(u32, String)> = (0..8).map(|n| (n, format!("Processing step {n} running"))).collect();
    assert!(found(&[(A, pod(&[lines]))]).is_empty());
}

#[test]
fn upkeep_of_each_instance_is_no_alarm() {
    let upkeep = |offset: u32| -> String {
        let lines: Vec<(u32, &str)> = (0..10).map(|n| (offset + n * 60, "Starting cacheRefreshJob")).collect();
        log(&lines)
    };
    let found = found(&[(A, upkeep(0)), (B, upkeep(1))]);
    assert!(found.iter().all(|finding| finding.severity <= Severity::Low), "{found:?}");
}

#[test]
fn a_plugin_and_the_class_tell_of_one_job() {
    let node = |name: &str| -> (String, String) {
        let line = |n: u32, ms: u32, logger: &str, text: &str| format!("2026-03-01 04:{n:02}:00,{ms:03} [Worker-{n}] INFO  {logger} - {text}\n");
        let text: String = (0..6)
            .map(|n| {
                line(
                    n,
                    2,
                    "o.q.p.h.LoggingJobHistoryPlugin",
                    "Job billing.statementMailer fired (by trigger billing.nightly) at:  04:00:00 03/01/2026",
                ) + &line(n, 300, "c.n.StatementMailer", &format!("Statement for account DE40{n}7 mailed"))
                    + &line(
                        n,
                        700,
                        "o.q.p.h.LoggingJobHistoryPlugin",
                        "Job billing.statementMailer execution complete at  04:00:00 03/01/2026 and reports: null",
                    )
            })
            .collect();
        (format!("{name}/statements.log"), text.replace("Worker-", "StatementScheduler_Worker-"))
    };
    let nodes = [node("node1"), node("node2")];
    let files: Vec<(&str, &str)> = nodes.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let found = check(&rule("duplicate-job-execution"), &bundle(&files), None);
    assert_eq!(found.iter().map(|finding| finding.subject.operation.as_str()).collect::<Vec<_>>(), ["billing.statementMailer"]);
    assert_eq!((found[0].severity, measured(&found[0], "shared_keys_percent")), (Severity::High, 100.0));
    let alone = check(&rule("duplicate-job-execution"), &bundle(&files[..1]), None);
    assert!(alone.is_empty(), "{alone:?}");
}
