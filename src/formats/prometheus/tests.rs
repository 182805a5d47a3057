//! Scrapes of every layout.

use super::*;
use crate::formats::lines::LineStream;
use crate::model::source::{Chunk, FileId, Hints, Starts};
use crate::model::transcript::Transcript;

fn found(path: &str, text: &str) -> Match {
    sniff(&Head { path, bytes: text.as_bytes(), whole: true }).expect("recognised")
}

fn parse(path: &str, text: &str, hints: &Hints) -> Transcript {
    let mut transcript = Transcript::default();
    found(path, text).parser.parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints }, &mut transcript);
    transcript
}

/// Time and value of every sample, as `HH:MM:SS name value`.
fn times(path: &str, text: &str) -> Vec<String> {
    let got = parse(path, text, &Hints::default());
    assert_eq!(got.quarantined, 0, "{}", got.text);
    let part = |line: &str, key: &str| line.split_once(key).map(|(_, rest)| rest.split('"').next().unwrap_or_default().to_owned());
    let time = |line: &str| part(line, " time=\"").map_or("-".to_owned(), |time| time[11..19].to_owned());
    got.text.lines().map(|line| format!("{} {}", time(line), part(line, " value=\"").unwrap_or_else(|| "text".to_owned()))).collect()
}

const OPENMETRICS: &str = r#"# HELP http_server_requests Total \"requests\"\nsecond line
# TYPE http_server_requests counter
http_server_requests_total{method="POST",uri="/orders/{id} \"q\"\\"} 17.0
http_server_requests_created{method="POST",uri="/orders/{id} \"q\"\\"} 1.7953764957971456e+09
# TYPE latency_seconds histogram
# UNIT latency_seconds seconds
latency_seconds_bucket{le="0.05"} 1.0 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.02 1795376495.7973013
latency_seconds_bucket{le="+Inf"} 3.0 1795376495.797
latency_seconds_count 3.0
latency_seconds_sum 2.32
# TYPE nanv gauge
nanv NaN
# TYPE infv gauge
infv +Inf
# TYPE state stateset
state{state="UP"} 1.0
# TYPE wait summary
wait{quantile="0.5"} 2.0
wait_count 9.0
# TYPE sessions_count gauge
sessions_count 4.0
free_total 5.0
# EOF
"#;

#[test]
fn every_type_and_its_parts() {
    assert_eq!(found("x", OPENMETRICS).label, "prometheus/openmetrics");
    let got = parse("x", OPENMETRICS, &Hints::default());
    let short: Vec<String> =
        got.text.lines().map(|line| line.split_once(' ').and_then(|(_, l)| l.split_once(' ')).map_or("", |(_, l)| l).to_owned()).collect();
    assert_eq!(
        short,
        [
            r#"name="http_server_requests_total" kind="Cumulative" labels="method=POST;uri=/orders/{id} \"q\"\\;" value="17.0""#,
            r#"name="http_server_requests_created" kind="Gauge" labels="method=POST;uri=/orders/{id} \"q\"\\;" value="1795376495.7971456""#,
            r#"name="latency_seconds_bucket" unit="seconds" kind="Cumulative" labels="le=0.05;" value="1.0""#,
            r#"time="2026-11-22T19:41:35.797Z" name="latency_seconds_bucket" unit="seconds" kind="Cumulative" labels="le=+Inf;" value="3.0""#,
            r#"name="latency_seconds_count" unit="seconds" kind="Cumulative" value="3.0""#,
            r#"name="latency_seconds_sum" unit="seconds" kind="Cumulative" value="2.32""#,
            r#"name="infv" kind="Gauge" value="inf""#,
            r#"name="state" kind="Gauge" labels="state=UP;" value="1.0""#,
            r#"name="wait" kind="Gauge" labels="quantile=0.5;" value="2.0""#,
            r#"name="wait_count" kind="Cumulative" value="9.0""#,
            r#"name="sessions_count" kind="Gauge" value="4.0""#,
            r#"name="free_total" kind="Cumulative" value="5.0""#,
        ],
        "{}",
        got.text
    );
    assert_eq!(got.quarantined, 0);
}

#[test]
fn evidence_is_the_line_of_the_sample() {
    for line in parse("x", OPENMETRICS, &Hints::default()).text.lines() {
        let (start, len) = line.split('@').nth(1).and_then(|rest| rest.split(' ').next()?.split_once('+')).expect("evidence");
        let (start, len): (usize, usize) = (start.parse().expect("start"), len.parse().expect("length"));
        let cited = &OPENMETRICS[start..start + len];
        assert!(OPENMETRICS[..start].ends_with('\n') && OPENMETRICS[start + len..].starts_with('\n') && !cited.contains('\n'), "{cited}");
    }
}

const TWO: &str = "# TYPE up gauge\nup 1\n# TYPE b gauge\nb 2\n";

#[test]
fn the_time_of_a_scrape() {
    let dated = format!("Sun Nov 22 19:44:42 UTC 2026\n$ curl -s localhost/metrics\n{TWO}\n# 2026-11-22T19:44:52Z\n{TWO}");
    assert_eq!(times("x", &dated), ["- text", "19:44:42 1.0", "19:44:42 2.0", "19:44:52 1.0", "19:44:52 2.0"]);
    let below = format!("{TWO}# scraped 2026-11-22T19:44:42Z\n{TWO}# scraped 2026-11-22T19:44:52Z\n");
    assert_eq!(times("x", &below), ["19:44:42 1.0", "19:44:42 2.0", "19:44:52 1.0", "19:44:52 2.0"]);
    let own = "# TYPE up gauge\nup 1 1795376423774\nup 2 1795376433774\n";
    assert_eq!(times("x-20261122T194442Z.prom", own), ["19:40:23 1.0", "19:40:33 2.0"]);
    assert_eq!(times("x-20261122T194442Z.prom", TWO), ["19:44:42 1.0", "19:44:42 2.0"]);
    assert_eq!(times("x.prom", TWO), ["- 1.0", "- 2.0"]);
    // The name of a file tells when its first scrape was; of the others it says nothing.
    assert_eq!(times("x-20261122T194442Z.prom", &format!("{TWO}{TWO}")), ["19:44:42 1.0", "19:44:42 2.0", "- 1.0", "- 2.0"]);
    assert_eq!(times("x-20261122T194442Z.prom", "# TYPE up gauge\nup 1\nb 2\nup 3\nb 4\n"), ["19:44:42 1.0", "19:44:42 2.0", "- 3.0", "- 4.0"]);
    // Without comments a time between the samples is all there is.
    let bare = "1795376423\na_b 1\nc_d 2\n1795376433\na_b 3\nc_d 4\n";
    assert_eq!(times("x", bare), ["19:40:23 1.0", "19:40:23 2.0", "19:40:33 3.0", "19:40:33 4.0"]);
}

#[test]
fn a_file_is_cut_between_scrapes() {
    let Match { parser: crate::formats::Parser::Lines(stream), .. } = found("x", &format!("{TWO}{TWO}")) else { panic!("lines") };
    assert!(stream.starts(b"# TYPE up gauge", b"b 2") && stream.starts(b"anything", b"# EOF"));
    assert!(!stream.starts(b"# TYPE b gauge", b"up 1") && !stream.starts(b"# TYPE upper gauge", b"") && !stream.starts(b"b 2", b""));
    let Match { parser: crate::formats::Parser::Lines(stream), .. } = found("x", &format!("2026-11-22T19:44:42Z\n{TWO}")) else { panic!("lines") };
    assert!(stream.starts(b"2026-11-22T19:44:52Z", b"b 2"));
    assert!(!stream.starts(b"# TYPE up gauge", b"2026-11-22T19:44:52Z") && !stream.starts(b"# 2026-11-22T19:44:53Z", b"2026-11-22T19:44:52Z"));
}

#[test]
fn types_stated_once_hold_for_all_scrapes() {
    let first =
        "# HELP ups x\n# TYPE ups counter\nups 1 1795376423774\n# TYPE rest_count gauge\nrest_count 2 1795376423774\n# TYPE t summary\nt_max 3\n";
    let text = format!("{first}ups 2 1795376433774\nrest_count 2 1795376433774\nt_max 4\nt_sum 9\nother 1\n");
    let got = parse("x", &text, &Hints::default());
    let kinds: Vec<bool> = got.text.lines().map(|line| line.contains("kind=\"Cumulative\"")).collect();
    assert_eq!(kinds, [true, false, false, true, false, false, true, false], "{}", got.text);
    let Match { parser: crate::formats::Parser::Lines(stream), .. } = found("x", &text) else { panic!("lines") };
    assert!(stream.starts(b"ups 2 1795376433774", b"t_max 3") && !stream.starts(b"ups 1 1795376423774", b"# TYPE ups counter"));
}

#[test]
fn labels_name_a_service_only_if_the_path_does_not() {
    let text = "# TYPE up gauge\nup{application=\"orders\",job=\"boot\",instance=\"10.0.0.1:8080\"} 1\n";
    assert!(parse("x", text, &Hints::default()).text.contains("service=\"orders\" instance=\"10.0.0.1:8080\" name"));
    let hints = Hints { service: "web".to_owned(), instance: "web-0".to_owned(), ..Hints::default() };
    assert!(!parse("x", text, &hints).text.contains("service="), "the sink knows the path's");
}

#[test]
fn broken_lines() {
    let text = "# TYPE up gauge\nup 1\nb_c 2\nup{a=\"b 2\nab x\nb_c 3 5\nhello world\nb_c 4\nb_c 5\nup{a=\"";
    let got = parse("x", text, &Hints::default());
    let want = [
        "metric @16+4 name=\"up\" kind=\"Gauge\" value=\"1.0\"",
        "metric @21+5 name=\"b_c\" kind=\"Gauge\" value=\"2.0\"",
        "quarantine @27+9 malformed",
        "log @37+4 message=\"ab x\"",
        "quarantine @42+7 implausible-time",
        "metric @42+7 name=\"b_c\" kind=\"Gauge\" value=\"3.0\"",
        "log @50+11 message=\"hello world\"",
        "metric @62+5 name=\"b_c\" kind=\"Gauge\" value=\"4.0\"",
        "metric @68+5 name=\"b_c\" kind=\"Gauge\" value=\"5.0\"",
        "quarantine @74+6 truncated",
    ];
    assert_eq!(got.text.lines().collect::<Vec<_>>(), want);
}

#[test]
fn between_other_lines() {
    let text = "2026-11-22T19:44:42Z INFO up\n$ curl localhost/metrics\n# HELP a b\n# TYPE a counter\na{b=\"c\"} 1\na{b=\"d\"} 2\n\ndone\n2026-11-22T19:44:43Z INFO down\n";
    let mut got = Transcript::default();
    let chunk = Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &Hints::default() };
    LineStream::new(Box::new(crate::formats::text_log::TextLog::EMBEDDED)).parse(&chunk, &mut got);
    let kinds: Vec<&str> = got.text.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(kinds, ["log", "metric", "metric", "log", "log"], "{}", got.text);
    assert!(got.text.contains("kind=\"Cumulative\""));
}

#[test]
fn what_is_no_scrape() {
    for text in [
        "",
        "up 1\n",
        "Threads: 12\nPeak: 14\n",
        "root 12\nbob 13\n",
        "MemTotal:       16384 kB\nMemFree: 12 kB\n",
        "# a shell script\necho 1\n",
        "2026-11-22T19:44:42Z INFO up\n",
    ] {
        assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
    assert_eq!(found("x", "a_b{c=\"d\"} 1\ne_f 2\n").confidence, 45);
}

#[test]
fn any_cut_is_read() {
    let text = format!("{OPENMETRICS}2026-11-22T19:44:42Z\n{TWO}\u{e9}");
    for (at, _) in text.char_indices() {
        for part in [&text[..at], &text[at..]] {
            if let Some(found) = sniff(&Head { path: "a-20261122T194442Z", bytes: part.as_bytes(), whole: true }) {
                let chunk = Chunk { file: FileId(0), base: 0, bytes: part.as_bytes(), hints: &Hints::default() };
                found.parser.parse(&chunk, &mut Transcript::default());
            }
        }
    }
}
