use super::*;
use crate::formats::fixture::{self, recognised};
use crate::formats::{FORMATS, recognise};
use crate::model::transcript::Transcript;

const IDS: &str = r#""traceId":"487b63689b67fda37f72115830b913a9","id":"4013aa1f7d3c8a1b""#;
const SPAN: &str = r#"{"traceId":"487b63689b67fda37f72115830b913a9","id":"4013aa1f7d3c8a1b","name":"get","timestamp":1500000000000000,"duration":7,"localEndpoint":{"serviceName":"gateway"}}"#;

fn transcript(bytes: &[u8]) -> Transcript {
    fixture::read(parse, bytes)
}

fn told(text: &str) -> Vec<String> {
    fixture::placeless(&transcript(text.as_bytes()))
}

/// What one span with these members says, without its ids.
fn span(rest: &str) -> String {
    let head = r#"span trace="487b63689b67fda37f72115830b913a9" id="4013aa1f7d3c8a1b" "#;
    told(&format!("[{{{IDS},{rest}}}]")).join("|").replace(head, "").replace(r#"kind="Unspecified" nanos="0" status="Unset""#, "-")
}

#[test]
fn a_span_in_full() {
    let text = concat!(
        r#"[[{"traceId":"87b63689b67fda37f72115830b913a9","parentId":"fef7e79802aa694e","id":"4013aa1f7d3c8a1b","kind":"CLIENT","name":"post","timestamp":1500000000000001,"#,
        r#""duration":2144,"debug":true,"shared":false,"localEndpoint":{"serviceName":"gateway","ipv4":"10.0.0.1","port":80},"#,
        r#""remoteEndpoint":{"serviceName":"db","ipv6":"::1","port":5432},"tags":{"error":"no","n":1},"#,
        r#""annotations":[{"timestamp":1500000000000002,"value":"cache.miss"}]}]]"#
    );
    let want = concat!(
        r#"span trace="087b63689b67fda37f72115830b913a9" id="4013aa1f7d3c8a1b" parent="fef7e79802aa694e" service="gateway" instance="10.0.0.1" name="post" "#,
        r#"kind="Client" start="2017-07-14T02:40:00.000001Z" nanos="2144000" status="Error" status_message="no" "#,
        r#"attributes="error=no;n=1;peer.service=db;net.peer.ip=::1;net.peer.port=5432;" events="cache.miss 2017-07-14T02:40:00.000002Z ;""#
    );
    assert_eq!(told(text), [want]);
}

#[test]
fn kinds_outcomes_and_times() {
    for (rest, want) in [
        (r#""kind":"SERVER""#, r#"kind="Server" nanos="0" status="Unset""#),
        (r#""kind":"PRODUCER""#, r#"kind="Producer" nanos="0" status="Unset""#),
        (r#""kind":null,"name":null,"tags":null,"annotations":null,"localEndpoint":null,"parentId":null"#, "-"),
        (r#""tags":{"error":""}"#, r#"kind="Unspecified" nanos="0" status="Error" attributes="error=;""#),
        (r#""tags":{"error":"true"}"#, r#"kind="Unspecified" nanos="0" status="Error" attributes="error=true;""#),
        (r#""tags":{"error":"false"}"#, r#"- attributes="error=false;""#),
        (
            r#""tags":{"otel.status_code":"ERROR","otel.status_description":"why","error":"x"}"#,
            r#"kind="Unspecified" nanos="0" status="Error" status_message="why" attributes="otel.status_code=ERROR;otel.status_description=why;error=x;""#,
        ),
        (r#""tags":{"otel.status_code":"OK"}"#, r#"kind="Unspecified" nanos="0" status="Ok" attributes="otel.status_code=OK;""#),
        (r#""duration":7"#, "-"),
        (r#""timestamp":1500000000000000"#, r#"kind="Unspecified" start="2017-07-14T02:40:00Z" nanos="0" status="Unset""#),
        (r#""timestamp":"1500000000000000","duration":"7""#, r#"kind="Unspecified" start="2017-07-14T02:40:00Z" nanos="7000" status="Unset""#),
        (r#""timestamp":0,"duration":-1"#, "-"),
    ] {
        assert_eq!(span(rest), want, "{rest}");
    }
}

#[test]
fn the_service_and_its_instance() {
    for (rest, want) in [
        (r#""localEndpoint":{"serviceName":"orders","ipv4":"10.0.0.1"}"#, r#"service="orders" instance="10.0.0.1" -"#),
        (
            r#""localEndpoint":{"serviceName":"orders","ipv4":"1.1.1.1"},"tags":{"service.name":"Orders","host.name":"h","service.instance.id":"i"}"#,
            r#"service="Orders" instance="i" - attributes="service.name=Orders;host.name=h;service.instance.id=i;""#,
        ),
        (r#""localEndpoint":{"serviceName":"orders"},"tags":{"service.name":"other"}"#, r#"service="orders" - attributes="service.name=other;""#),
        (r#""localEndpoint":{"serviceName":"unknown"}"#, "-"),
        (r#""remoteEndpoint":{"serviceName":"db"},"tags":{"peer.service":"other"}"#, r#"- attributes="peer.service=other;""#),
    ] {
        assert_eq!(span(rest), want, "{rest}");
    }
}

#[test]
fn attributes_of_events_in_every_exporter_s_way() {
    let event = |value: &str| {
        let mut text = String::new();
        crate::formats::json_string::write_string(&mut text, value);
        span(&format!(r#""annotations":[{{"value":{text}}}]"#))
    };
    let want = r#"- events="exception  exception.type=A;n=1;;""#;
    for value in [
        r#"{"exception": {"exception.type": "A", "n": 1}}"#,
        r#""exception": {"exception.type":"A","n":1}"#,
        r#"exception|{"exception.type":"A","n":1}|0"#,
    ] {
        assert_eq!(event(value), want, "{value}");
    }
    for value in ["plain", "{", "{}", r#"{"a":1}"#, r#"{"a":{"b":1"#, "\"", "\"a", "a|{", r#"a|{"b"|0"#, "|{}|"] {
        let text = event(value);
        assert!(text.starts_with("- events=\"") && text.contains(&value.replace('"', "\\\"")) || value == "|{}|", "{value}: {text}");
    }
}

#[test]
fn version_one_with_one_side_and_with_both() {
    let note = |value: &str, at: u64, service: &str| {
        format!(r#"{{"timestamp":{at},"value":"{value}","endpoint":{{"serviceName":"{service}","ipv4":"10.0.0.1"}}}}"#)
    };
    let base = 1_500_000_000_000_000_u64;
    let client = format!("{},{}", note("cs", base, "a"), note("cr", base + 9, "a"));
    let server = format!("{},{}", note("sr", base + 2, "b"), note("ss", base + 5, "b"));
    let addresses = r#""binaryAnnotations":[{"key":"sa","value":true,"endpoint":{"serviceName":"b"}},{"key":"http.path","value":"/x","endpoint":{"serviceName":"a"}}]"#;
    let client_says = r#"service="a" instance="10.0.0.1" name="get" kind="Client" start="2017-07-14T02:40:00Z" nanos="9000" status="Unset" attributes="http.path=/x;peer.service=b;""#;
    let server_says = r#"service="b" instance="10.0.0.1" name="get" kind="Server" start="2017-07-14T02:40:00.000002Z" nanos="3000" status="Unset""#;
    assert_eq!(span(&format!(r#""name":"get","annotations":[{client}],{addresses}"#)), client_says);
    assert_eq!(span(&format!(r#""name":"get","annotations":[{server}],"binaryAnnotations":[]"#)), server_says);
    let both = span(&format!(r#""name":"get","annotations":[{client},{server}],{addresses}"#));
    assert_eq!(both, format!(r#"{client_says}|{server_says} attributes="http.path=/x;peer.service=b;""#));
    let local = span(&format!(r#""name":"work","timestamp":{base},"duration":3,"annotations":[{}]"#, note("step", base + 1, "a")));
    assert!(local.starts_with(r#"service="a" instance="10.0.0.1" name="work" kind="Unspecified""#) && local.contains("events=\"step "), "{local}");
    let text = format!(r#"[[{{{IDS},"name":"get","annotations":[{client}],{addresses}}}]]"#);
    assert_eq!(recognised(&text).map(|found| (found.0, found.1.records)), Some(("zipkin-json/v1".to_owned(), 1)));
}

#[test]
fn documents_in_every_arrangement() {
    for (text, label, count) in [
        (format!("[{SPAN}]"), "zipkin-json/v2", 1),
        (format!("[{SPAN},{SPAN}]"), "zipkin-json/v2", 2),
        (format!("\u{feff}[\n  {},\n{SPAN}\n]\n", SPAN.replace(',', ",\n")), "zipkin-json/v2", 2),
        (format!("[[{SPAN},{SPAN}],[{SPAN}],[]]"), "zipkin-json/v2", 3),
        (format!("[[],[{SPAN}]]"), "zipkin-json/v2", 1),
        (format!("[{SPAN}]\n[{SPAN}]\n"), "zipkin-json/v2", 2),
        (format!("{SPAN}\n{SPAN}\n"), "zipkin-json/v2-lines", 2),
        (SPAN.to_owned(), "zipkin-json/v2-lines", 1),
        (SPAN.replace(',', ",\n"), "zipkin-json/v2", 1),
        (format!("[{}]", SPAN.replace(r#","localEndpoint":{"serviceName":"gateway"}"#, "")), "zipkin-json/v2", 1),
    ] {
        let (found, transcript) = recognised(&text).unwrap_or_else(|| panic!("not recognised: {text}"));
        assert_eq!((found.as_str(), transcript.records, transcript.quarantined), (label, count, 0), "{text}\n{}", transcript.text);
    }
}

#[test]
fn others_are_not_claimed() {
    for text in [
        "",
        "[]",
        "{}",
        "[[[[",
        r#"[{"traceId":"487b63689b67fda37f72115830b913a9","id":"4013aa1f7d3c8a1b"}]"#,
        r#"{"traceId":"487b63689b67fda37f72115830b913a9","id":"4013aa1f7d3c8a1b","timestamp":1500000000000000,"level":"INFO","message":"m","duration":3,"name":"n"}"#,
        r#"{"id":"order-1","traceId":"487b63689b67fda37f72115830b913a9","name":"x","duration":7}"#,
        r#"{"traceID":"487b63689b67fda3","spanID":"4013aa1f7d3c8a1b","operationName":"x","startTime":1}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"1","spanId":"2","name":"x"}]}]}]}"#,
        "traceId id localEndpoint",
    ] {
        assert!((FORMAT.sniff)(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
    assert!(FORMATS.iter().any(|format| format.name == FORMAT.name));
}

#[test]
fn what_is_no_span_goes_to_quarantine_and_the_rest_goes_on() {
    for (bad, reason) in [
        (r#"{"traceId":"1","id":"no id"}"#, "bad-id"),
        ("{}", "bad-id"),
        ("7", "malformed"),
        (r#"{"traceId":"1","id" "2","name":"x"}"#, "malformed"),
        (r#"{"traceId":"1","id":"2","name":"x}"#, "malformed"),
        (r#"{"traceId":"1","id":"2","tags":{"a":"b"}"#, "malformed"),
        (r#"{"traceId":"1","id":"2","annotations":[{"value":"#, "malformed"),
    ] {
        let text = format!("[{SPAN},{bad},{SPAN},{SPAN}]");
        let found = transcript(text.as_bytes());
        assert_eq!((found.text.matches("span @").count(), found.quarantined), (3, 1), "{bad}\n{}", found.text);
        let place = format!("quarantine @{}+{} {reason}\n", SPAN.len() + 2, bad.len());
        assert!(found.text.contains(&place), "{place}{}", found.text);
    }
}

#[test]
fn spans_before_a_cut_are_kept_wherever_it_is() {
    let text = format!("[[{SPAN},{SPAN}],[{SPAN}]]");
    let ends: Vec<usize> = text.match_indices(SPAN).map(|(at, span)| at + span.len()).collect();
    for cut in 1..text.len() {
        let found = transcript(&text.as_bytes()[..cut]);
        let whole = ends.iter().filter(|end| cut >= **end).count();
        assert_eq!((found.text.matches("span @").count(), found.quarantined), (whole, 1), "{cut}: {}", found.text);
        assert!(found.text.ends_with(" truncated\n"), "{cut}: {}", found.text);
    }
}

#[test]
fn garbage_and_bombs_are_survived() {
    let text = format!("[[{SPAN},{SPAN}],[{SPAN}]]").into_bytes();
    let mut state = 7_u64;
    for _ in 0..5000 {
        let mut bytes = text.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = b"{}[]\",:\\\xff\n0e"[(state >> 20) as usize % 12];
        }
        assert!(transcript(&bytes).records <= 12);
        let _ = recognise(&Head { path: "", bytes: &bytes, whole: true });
    }
    for text in
        ["[".repeat(200_000), "[{".repeat(100_000), format!("[{{{IDS},\"tags\":{}", "{\"a\":".repeat(100_000)), r#"{"traceId":["#.repeat(20_000)]
    {
        assert!(transcript(text.as_bytes()).quarantined > 0);
    }
}
