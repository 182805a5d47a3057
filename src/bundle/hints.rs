//! What a path tells: service and instance, where the records are silent.
//!
//! ```text
//! payments-0/app.json.gz                        payments, instance payments-0
//! orders-7d9f8b6c5d-x2x4z.log                   orders, instance orders-7d9f8b6c5d-x2x4z
//! logs/a/pricing.log.1                          pricing, instance a
//! pods/logs/shop/web-5f7d9cb-q8w2e/nginx.log    web, instance web-5f7d9cb-q8w2e
//! thread_dump_1.txt                             nothing
//! ```
//!
//! Names of people's own making cannot be told from words like `logs` or `dump1` but by a list; it is below.
//! What this file does not do: overrule a record that names its service.

use crate::bundle::environment;
use crate::model::source::Hints;

/// Words that name a kind of file or folder, never a service. In order: they are searched by halves.
const GENERIC: &[&str] = &[
    "access",
    "actuator",
    "after",
    "all",
    "app",
    "application",
    "archive",
    "artifacts",
    "autoscaler",
    "autoscaling",
    "backup",
    "baseline",
    "before",
    "bootstrap",
    "bundle",
    "capture",
    "captures",
    "catalina",
    "class",
    "cluster",
    "conf",
    "config",
    "configs",
    "configuration",
    "console",
    "containers",
    "current",
    "daemon",
    "data",
    "debug",
    "deploy",
    "deployment",
    "deployments",
    "describe",
    "dev",
    "diagnostics",
    "dump",
    "dumps",
    "env",
    "err",
    "error",
    "errors",
    "events",
    "evidence",
    "export",
    "exports",
    "file",
    "files",
    "gc",
    "gunicorn",
    "health",
    "healthcheck",
    "heap",
    "heapdump",
    "heapinfo",
    "histo",
    "histogram",
    "histograms",
    "histos",
    "home",
    "host",
    "hosts",
    "hpa",
    "hypercorn",
    "incident",
    "info",
    "input",
    "instance",
    "jaeger",
    "java",
    "jcmd",
    "jfr",
    "jmap",
    "json",
    "jsonl",
    "jstack",
    "jstat",
    "jvm",
    "k8s",
    "kubectl",
    "kubernetes",
    "lag",
    "lib",
    "live",
    "local",
    "localhost",
    "log",
    "logfile",
    "logs",
    "loki",
    "machine",
    "main",
    "metrics",
    "misc",
    "mnt",
    "namespaces",
    "ndjson",
    "nmt",
    "node",
    "nodes",
    "opt",
    "otel",
    "otlp",
    "out",
    "output",
    "pb",
    "pod",
    "pods",
    "preprod",
    "previous",
    "process",
    "prod",
    "production",
    "profile",
    "prom",
    "prometheus",
    "proto",
    "quarkus",
    "raw",
    "replica",
    "replicaset",
    "replicasets",
    "resources",
    "run",
    "samples",
    "scaler",
    "scaling",
    "scrape",
    "scrapes",
    "server",
    "service",
    "services",
    "settings",
    "snap",
    "snapshot",
    "snapshots",
    "spans",
    "spring",
    "stage",
    "staging",
    "state",
    "statefulset",
    "statefulsets",
    "stats",
    "stderr",
    "stdout",
    "stream",
    "syslog",
    "system",
    "td",
    "tdump",
    "tdumps",
    "telemetry",
    "tempo",
    "test",
    "text",
    "thread",
    "threaddump",
    "threaddumps",
    "threads",
    "tmp",
    "top",
    "trace",
    "traces",
    "uat",
    "usr",
    "uvicorn",
    "uwsgi",
    "var",
    "vm",
    "waitress",
    "warn",
    "watch",
    "werkzeug",
    "zipkin",
];

/// What a service's name is followed by in the names of its files.
const KINDS: &[&str] = &["access", "access_log", "access-log", "accesslog", "error", "errors", "stdout", "stderr", "gc"];

/// Words which, with a number or a letter, name one machine or process among several.
const MACHINES: &[&str] = &["app", "box", "container", "host", "instance", "machine", "node", "pod", "process", "replica", "server", "srv", "vm"];

/// Endings that say how a file is packed, written or rotated.
const ENDINGS: &[&str] = &[
    "gz", "zst", "zstd", "bz2", "xz", "lz4", "zip", "tar", "tgz", "log", "txt", "out", "json", "jsonl", "ndjson", "csv", "pb", "bin", "proto", "err",
    "tdump", "dump", "prom", "yaml", "yml", "gelf", "ecs", "otlp", "trace", "traces", "spans", "logs", "stdout", "stderr", "current", "gc", "histo",
    "threads", "jstack", "clef",
];

/// The name of an archive that is no longer names nothing.
const SHORTEST: usize = 3;

/// Reads the path, the file name first, then its folders from the innermost out.
#[must_use]
pub fn of_path(path: &str) -> Hints {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let name = parts.pop().unwrap_or_default();
    let told = parts.iter().rev().filter_map(|part| match part.strip_suffix('!') {
        // `a.tar`: somebody had to call it something.
        Some(archive) => Some(stem(archive)).filter(|name| name.len() > SHORTEST),
        None => Some(stem(part)),
    });
    let folders: Vec<String> = told.take(6).collect();
    let file = match of_configuration(name) {
        Some((_, true)) if folders.iter().any(|folder| !is_generic(folder)) => String::new(),
        Some((of_name, _)) => of_name,
        None => stem(name),
    };
    let profile = environment::of_settings(path).to_owned();
    let named: Vec<&String> = std::iter::once(&file).chain(&folders).filter(|part| !is_generic(part) && !is_machine(part)).collect();
    // A folder named like a pod says both; a file in it is named after its container.
    let pod = named.iter().find(|part| workload(part).is_some());
    let machine = std::iter::once(&file).chain(&folders).find(|part| is_machine(part)).cloned().unwrap_or_default();
    let Some(first) = named.first() else { return Hints { profile, instance: machine, ..Hints::default() } };
    let (service, instance) = match pod {
        Some(pod) => (workload(pod).unwrap_or(pod).to_owned(), (**pod).clone()),
        None if copy_of(first).is_some() => (copy_of(first).unwrap_or(first).to_owned(), (*first).clone()),
        None => {
            let parent = named.get(1).filter(|_| !is_generic(&file)).filter(|part| part.as_str() != first.as_str());
            let instance = parent.filter(|part| part.len() <= 3 || part.contains(first.as_str()) || is_numbered(part));
            ((*first).clone(), instance.map_or(machine, |part| (*part).clone()))
        }
    };
    Hints { service, instance, profile, ..Hints::default() }
}

/// The service in the name of a configuration file, and whether a folder knows better: `orders-application-prod.yml` is for
/// `orders`; `nginx.conf` and `application-docker.yml` are for whatever their folder is named after.
fn of_configuration(name: &str) -> Option<(String, bool)> {
    const ENDINGS: &[&str] = &[".yml", ".yaml", ".properties", ".env", ".conf", ".cfg", ".ini", ".toml"];
    const PRODUCTS: &[&str] = &["nginx", "haproxy", "envoy", "kong", "traefik"];
    let lower = name.to_ascii_lowercase();
    let lower = [".gz", ".zst"].iter().find_map(|packed| lower.strip_suffix(packed)).unwrap_or(&lower);
    let plain = ENDINGS.iter().find_map(|ending| lower.strip_suffix(ending))?;
    let kept: Vec<&str> = plain.split('-').filter(|word| !is_generic(word) && environment::of_word(word).is_empty()).collect();
    let of_name = kept.join("-");
    let for_all = of_name.is_empty() || PRODUCTS.contains(&of_name.as_str()) || ["application-", "bootstrap-"].iter().any(|p| plain.starts_with(p));
    Some((of_name, for_all))
}

/// `node1`, `host-b`, `server2`, or a mere letter: one machine or process of several, whatever runs on it.
fn is_machine(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    if matches!(lower.as_bytes(), [b'a'..=b'z']) {
        return true;
    }
    let number = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let plain = if number.len() < lower.len() { number } else { letter_off(&lower).unwrap_or("") };
    MACHINES.contains(&plain.trim_end_matches(['-', '_', '.']))
}

/// `statements-node1`, `pricing_b` is a copy of `statements`, `pricing`.
fn copy_of(part: &str) -> Option<&str> {
    let named = part.rsplit_once(['-', '_']).filter(|(rest, last)| is_machine(last) && !is_generic(rest)).map(|(rest, _)| rest);
    named.or_else(|| letter_off(part)).filter(|rest| rest.len() >= 3)
}

/// `beat-a`, `zone2`: one of several, by a letter or a number that is no date.
fn is_numbered(part: &str) -> bool {
    let number = part.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
    !number.is_empty() && !is_stamp(number) || letter_off(part).is_some()
}

/// The name without a single letter behind a dash: `pricing-b`.
fn letter_off(part: &str) -> Option<&str> {
    let (rest, last) = part.rsplit_once(['-', '_'])?;
    matches!(last.as_bytes(), [b'a'..=b'h']).then_some(rest)
}

/// `orders-7d9f8b6c5d-x2x4z` (Deployment), `orders-x2x4z` (DaemonSet), `orders-0` (StatefulSet) is run by `orders`.
#[must_use]
pub fn workload(pod: &str) -> Option<&str> {
    let (rest, last) = pod.rsplit_once('-')?;
    if rest.is_empty() {
        return None;
    }
    let random = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && part.bytes().any(|b| b.is_ascii_digit())
    };
    if let Some((name, replica_set)) = rest.rsplit_once('-')
        && !name.is_empty()
        && last.len() == 5
        && last.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && random(replica_set, 6..=10)
    {
        return Some(name);
    }
    let ordinal = last.len() <= 3 && last.bytes().all(|b| b.is_ascii_digit());
    (ordinal || random(last, 5..=5)).then_some(rest)
}

/// The ReplicaSet of a pod of a Deployment: `orders-7d9f8b6c5d` of `orders-7d9f8b6c5d-x2x4z`. Each version of a Deployment has its own.
#[must_use]
pub fn replica_set(pod: &str) -> Option<&str> {
    let (rest, _) = pod.rsplit_once('-')?;
    workload(pod).filter(|name| *name != rest).map(|_| rest)
}

/// The name without endings of packing, rotation, dates and counters: `app.log.2026-11-21.gz` is `app`.
fn stem(name: &str) -> String {
    let mut name = name;
    loop {
        let before = name;
        if let Some((rest, ending)) = name.rsplit_once('.')
            && !rest.is_empty()
            && (ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) || ending.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'_'))
        {
            name = rest;
        }
        if let Some((rest, stamp)) = name.rsplit_once(['-', '_'])
            && !rest.is_empty()
            && is_stamp(stamp)
        {
            name = rest;
        }
        // The number that tells two inputs of one path apart.
        if let Some((rest, number)) = name.rsplit_once('~')
            && !rest.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
        {
            name = rest;
        }
        for word in ["-previous", "_previous", ".previous", "-json"] {
            name = name.strip_suffix(word).unwrap_or(name);
        }
        let kind = KINDS.iter().find_map(|kind| name.strip_suffix(kind)?.strip_suffix(['-', '_', '.']));
        name = kind.filter(|rest| !rest.is_empty()).unwrap_or(name);
        if name == before {
            return name.to_owned();
        }
    }
}

/// Six or more digits, perhaps with `T` and `Z`: a date, a time, an epoch; or one of the parts of `2026-11-21`.
fn is_stamp(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    digits >= 6 && part.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'T' | b'Z' | b't' | b'z'))
}

/// Whether every word of a name is generic, a number or a date; or the name is a container's 64 hex digits.
fn is_generic(name: &str) -> bool {
    if name.len() >= 32 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        return true;
    }
    name.split(['-', '_', '.', ' ']).all(|word| {
        let plain = word.trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
        plain.is_empty() || is_stamp(word) || GENERIC.binary_search(&plain.as_str()).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_instances_of_real_layouts() {
        for (path, service, instance) in [
            ("payments-0/app.json.gz", "payments", "payments-0"),
            ("payments-0/tdump.0.txt", "payments", "payments-0"),
            ("wallet-0/wallet.log.gz", "wallet", "wallet-0"),
            ("docstore/gunicorn-access.log", "docstore", ""),
            ("tariff-1/localhost_access_log.2026-11-26.txt.gz", "tariff", "tariff-1"),
            ("itinerary-0-access_log.txt", "itinerary", "itinerary-0"),
            ("logs/orders_access.log.1", "orders", ""),
            ("gunicorn-error.log", "", ""),
            ("a.tar!/bookings/dumps/jstack-1.txt", "bookings", ""),
            ("node1.tar.gz!/statements.log", "statements", "node1"),
            ("orders-0.zip!/app.log", "orders", "orders-0"),
            ("billing-5f7d9cb-q8w2e.json.gz", "billing", "billing-5f7d9cb-q8w2e"),
            ("catalogue_api.ndjson", "catalogue_api", ""),
            ("metrics/catalogue_api-3/scrape-20261122T194442Z.prom", "catalogue_api", "catalogue_api-3"),
            ("logs/a/pricing.log", "pricing", "a"),
            ("logs/catalog.log.gz", "catalog", ""),
            (
                "containers/d16637982c8f41e1ac765f37e45a80e1ee23b5e2f8a37d62991f05da149cd399/d16637982c8f41e1ac765f37e45a80e1ee23b5e2f8a37d62991f05da149cd399-json.log.gz",
                "",
                "",
            ),
            ("dumps/threaddump_20261122_195904.tdump", "", ""),
            ("offers/gc.log.0", "offers", ""),
            ("prometheus/catalog-1795377638.txt", "catalog", ""),
            ("var/log/reports-1/app.log.gz", "reports", "reports-1"),
            ("prod/gateway/access.log.gz", "gateway", ""),
            ("thread_dump_1.txt", "", ""),
            ("bookings/metrics/20261126T191544Z.txt", "bookings", ""),
            ("a.log", "", "a"),
            ("beat-a/celery-beat.log", "celery-beat", "beat-a"),
            ("node1/statements.log", "statements", "node1"),
            ("hosts/server-b/logs/app.log", "", "server-b"),
            ("statements-node2.log", "statements", "statements-node2"),
            ("metrics/pricing-b.prom", "pricing", "pricing-b"),
            ("tariffs-1/localhost_access_log.2026-11-26.txt", "tariffs", "tariffs-1"),
            ("orders-7d9f8b6c5d-x2x4z.log", "orders", "orders-7d9f8b6c5d-x2x4z"),
            ("support.tar.gz!/all-logs/web-0/nginx.log", "web", "web-0"),
            ("quote-engine/histo.1.txt", "quote-engine", ""),
            ("invoice-renderer.gelf.json.gz", "invoice-renderer", ""),
            ("prod/gateway/nginx.conf", "gateway", ""),
            ("config/nginx.conf", "nginx", ""),
            ("config/application-prod.yml", "", ""),
            ("orders-application.yml", "orders", ""),
            ("config/orders-staging.properties", "orders", ""),
            ("orders/config/application-docker.yml", "orders", ""),
        ] {
            let hints = of_path(path);
            assert_eq!((hints.service.as_str(), hints.instance.as_str()), (service, instance), "{path}");
        }
    }

    #[test]
    fn generic_words_are_in_order_and_stand_once() {
        assert!(GENERIC.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn workloads() {
        assert_eq!(workload("orders-7d9f8b6c5d-x2x4z"), Some("orders"));
        assert_eq!(workload("my-shop-web-12"), Some("my-shop-web"));
        assert_eq!(workload("order-service"), None);
    }
}
