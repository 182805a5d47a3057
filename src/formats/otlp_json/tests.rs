use super::*;
use crate::formats::fixture::{self, recognised};
use crate::formats::{FORMATS, Parser, recognise};
use crate::model::transcript::Transcript;

const TRACE: &str = "487b63689b67fda37f72115830b913a9";
const IDS: &str = r#""traceId":"487b63689b67fda37f72115830b913a9","spanId":"4013aa1f7d3c8a1b""#;
const SPAN: &str = r#"{"traceId":"487b63689b67fda37f72115830b913a9","spanId":"4013aa1f7d3c8a1b","name":"GET"}"#;

fn transcript(bytes: &[u8]) -> Transcript {
    fixture::read(parse, bytes)
}

fn told(text: &str) -> Vec<String> {
    fixture::placeless(&transcript(text.as_bytes()))
}

fn spans(list: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"resource":{{}},"scopeSpans":[{{"scope":{{}},"spans":[{list}]}}]}}]}}"#)
}

fn span(rest: &str) -> String {
    told(&spans(&format!("{{{IDS},{rest}}}"))).join("|").replace(&format!(r#"span trace="{TRACE}" id="4013aa1f7d3c8a1b" "#), "")
}

#[test]
fn a_span_in_full() {
    let text = concat!(
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"gateway"}}]},"scopeSpans":[{"scope":{"name":"http"},"#,
        r#""spans":[{"traceId":"487B63689B67FDA37F72115830B913A9","spanId":"0x4013aa1f7d3c8a1b","parentSpanId":"/vfnmAKqaU4=","traceState":"","flags":257,"#,
        r#""name":"GET \"x\"","kind":3,"startTimeUnixNano":"1795376426000000000","endTimeUnixNano":"1795376426000000007","#,
        r#""attributes":[{"key":"n","value":{"intValue":"42"}}],"droppedAttributesCount":1,"#,
        r#""events":[{"name":"exception","timeUnixNano":"1795376426000000005","attributes":[{"key":"exception.type","value":{"stringValue":"E"}}]},{"name":"b"}],"#,
        r#""links":[{"traceId":"487b63689b67fda37f72115830b913a9","spanId":"4013aa1f7d3c8a1b","attributes":[]}],"#,
        r#""status":{"code":2,"message":"no"}}]}],"schemaUrl":"x"}]}"#
    );
    let want = concat!(
        r#"span trace="487b63689b67fda37f72115830b913a9" id="4013aa1f7d3c8a1b" parent="fef7e79802aa694e" service="gateway" name="GET \"x\"" kind="Client" "#,
        r#"start="2026-11-22T19:40:26Z" nanos="7" status="Error" status_message="no" attributes="n=42;" resource="service.name=gateway;" "#,
        r#"events="exception 2026-11-22T19:40:26.000000005Z exception.type=E;;b  ;" links="487b63689b67fda37f72115830b913a9/4013aa1f7d3c8a1b;""#
    );
    assert_eq!(told(text), [want]);
}

#[test]
fn every_spelling_of_a_value() {
    let values = |value: &str| {
        let text = span(&format!(r#""attributes":[{{"key":"a","value":{value}}}]"#));
        text.replace(r#"kind="Unspecified" nanos="0" status="Unset" attributes="#, "")
    };
    for (json, want) in [
        (r#"{"stringValue":"x"}"#, r#""a=x;""#),
        (r#"{"string_value":"x"}"#, r#""a=x;""#),
        (r#"{"intValue":"7"}"#, r#""a=7;""#),
        (r#"{"intValue":7}"#, r#""a=7;""#),
        (r#"{"intValue":-7.0}"#, r#""a=-7;""#),
        (r#"{"doubleValue":1.5}"#, r#""a=1.5;""#),
        (r#"{"doubleValue":2}"#, r#""a=2.0;""#),
        (r#"{"doubleValue":"NaN"}"#, r#""a=NaN;""#),
        (r#"{"doubleValue":"-Infinity"}"#, r#""a=-inf;""#),
        (r#"{"boolValue":true}"#, r#""a=true;""#),
        (r#"{"boolValue":"true"}"#, r#""a=true;""#),
        (r#"{"bytesValue":"AQI="}"#, r#""a=AQI=;""#),
        (r#"{"arrayValue":{}}"#, r#""a=[];""#),
        (r#"{"arrayValue":{"values":[{"stringValue":"x\"y"},{"intValue":"1"},{},null]}}"#, r#""a=[\"x\\\"y\",1,null,null];""#),
        (r#"{"arrayValue":{"values":[{"arrayValue":{"values":[{"boolValue":true}]}},{"doubleValue":"NaN"}]}}"#, r#""a=[[true],\"NaN\"];""#),
        (r#"{"arrayValue":{"values":[{"kvlistValue":{"values":[{"key":"k","value":{"intValue":1}}]}}]}}"#, r#""a=[{\"k\":1}];""#),
        (r#"{"kvlistValue":{"values":[{"key":"b","value":{"intValue":1}},{"value":{"boolValue":false},"key":"c"}]}}"#, r#""a.b=1;a.c=false;""#),
        (r#"{"kvlistValue":{}}"#, r#"kind="Unspecified" nanos="0" status="Unset""#),
        ("{}", r#""a=;""#),
        ("null", r#""a=;""#),
        (r#""bare""#, r#""a=bare;""#),
        ("1", r#""a=1;""#),
        ("0.5", r#""a=0.5;""#),
    ] {
        assert_eq!(values(json), want, "{json}");
    }
    assert!(span(r#""attributes":[{"value":{"intValue":1},"key":"a"},{"key":"b"},null]"#).ends_with(r#"attributes="a=1;b=;""#));
}

#[test]
fn every_spelling_of_kind_status_and_time() {
    for kind in ["3", "\"3\"", "\"SPAN_KIND_CLIENT\"", "\"CLIENT\"", "\"client\"", "3.0"] {
        assert_eq!(span(&format!(r#""kind":{kind}"#)), r#"kind="Client" nanos="0" status="Unset""#, "{kind}");
    }
    for code in ["2", "\"2\"", "\"STATUS_CODE_ERROR\"", "\"Error\""] {
        assert_eq!(span(&format!(r#""status":{{"code":{code}}}"#)), r#"kind="Unspecified" nanos="0" status="Error""#, "{code}");
    }
    for start in ["\"1500000000000000000\"", "1500000000000000000", "1.5e18", "\"1.5e18\""] {
        let text = span(&format!(r#""startTimeUnixNano":{start},"end_time_unix_nano":"1500000000000000001""#));
        assert_eq!(text, r#"kind="Unspecified" start="2017-07-14T02:40:00Z" nanos="1" status="Unset""#, "{start}");
    }
    let absent = r#"kind="Unspecified" nanos="0" status="Unset""#;
    let nulls = r#""parentSpanId":null,"kind":null,"status":null,"attributes":null,"events":null,"links":null,"startTimeUnixNano":null,"name":null"#;
    assert_eq!(span(nulls), absent);
    assert_eq!(span(r#""parentSpanId":"","kind":"WHAT","status":{"code":9},"startTimeUnixNano":0,"extra":[{"deep":{}}]"#), absent);
}

#[test]
fn an_end_before_the_start_is_the_start() {
    let text = span(r#""startTimeUnixNano":"1500000000000000001","endTimeUnixNano":"1500000000000000000""#);
    assert_eq!(text, r#"kind="Unspecified" start="2017-07-14T02:40:00.000000001Z" nanos="0" status="Unset""#);
}

#[test]
fn keys_in_any_order_and_any_style() {
    let usual = told(
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeLogs":[{"scope":{"name":"L"},"logRecords":[{"body":{"stringValue":"m"}}]}]}]}"#,
    );
    assert_eq!(usual, [r#"log service="a" logger="L" message="m""#]);
    for text in [
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"m"}}],"scope":{"name":"L"}}],"resource":{"attributes":[{"value":{"stringValue":"a"},"key":"service.name"}]}}]}"#,
        r#"{"resource_logs":[{"resource":{"attributes":[{"key":"service.name","value":{"string_value":"a"}}]},"scope_logs":[{"scope":{"name":"L"},"log_records":[{"body":{"string_value":"m"}}]}]}]}"#,
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"instrumentationLibraryLogs":[{"instrumentationLibrary":{"name":"L"},"logs":[{"body":{"stringValue":"m"}}]}]}]}"#,
    ] {
        assert_eq!(told(text), usual, "{text}");
    }
}

#[test]
fn evidence_is_the_object_of_the_record() {
    let text = spans(&format!("{SPAN} , {SPAN}"));
    let at = text.find(SPAN).unwrap();
    let found: Vec<String> = transcript(text.as_bytes()).text.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(found, [format!("@{at}+{}", SPAN.len()), format!("@{}+{}", at + SPAN.len() + 3, SPAN.len())]);
}

#[test]
fn spans_without_ids_go_to_quarantine_alone() {
    for bad in [
        r#"{"traceId":"","spanId":"4013aa1f7d3c8a1b"}"#,
        r#"{"traceId":"487b63689b67fda37f72115830b913a9"}"#,
        r#"{"traceId":"zz","spanId":"1"}"#,
        r#"{"name":"x"}"#,
    ] {
        let text = spans(&format!("{bad},{SPAN}"));
        let found = transcript(text.as_bytes());
        assert_eq!((found.records, found.quarantined), (1, 1), "{bad}");
        assert!(found.text.starts_with(&format!("quarantine @{}+{} bad-id\n", text.find(bad).unwrap(), bad.len())), "{bad}");
    }
}

#[test]
fn logs_in_their_spellings() {
    let log = |record: &str| told(&format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#)).join("|");
    for severity in ["17", "\"17\"", "\"SEVERITY_NUMBER_ERROR\"", "\"SEVERITY_NUMBER_ERROR2\"", "\"ERROR\""] {
        assert_eq!(log(&format!(r#"{{"severityNumber":{severity}}}"#)), r#"log level="ERROR""#, "{severity}");
    }
    assert_eq!(log(r#"{"severityNumber":0,"severityText":"Warning","body":{}}"#), r#"log level="WARN""#);
    let observed = log(r#"{"timeUnixNano":"0","observedTimeUnixNano":"1500000000000000000","body":{"intValue":"5"},"traceId":"","spanId":null}"#);
    assert_eq!(observed, r#"log time="2017-07-14T02:40:00Z" message="5""#);
    let map = r#"{"body":{"kvlistValue":{"values":[{"key":"message","value":{"stringValue":"hi"}},{"key":"n","value":{"intValue":1}}]}},"attributes":[{"key":"a","value":{"boolValue":true}}]}"#;
    assert_eq!(log(map), r#"log message="hi" fields="a=true;n=1;""#);
    let thrown = r#"{"attributes":[{"key":"exception.stacktrace","value":{"stringValue":"a.B: x\n\tat y"}},{"key":"exception.type","value":{"stringValue":"a.B"}}]}"#;
    assert_eq!(log(thrown), r#"log stack="a.B: x" stack_lines="2""#);
}

#[test]
fn metrics_of_all_shapes() {
    let metric = |data: &str| told(&format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{{data},"name":"m","unit":"s"}}]}}]}}]}}"#));
    let one = |rest: &str| vec![format!(r#"metric name="m" unit="s" kind={rest}"#)];
    assert_eq!(metric(r#""gauge":{"dataPoints":[{"asDouble":1.5,"timeUnixNano":"0"}]}"#), one(r#""Gauge" value="1.5""#));
    assert_eq!(metric(r#""gauge":{"dataPoints":[{"asDouble":"NaN"}]}"#), one(r#""Gauge" value="NaN""#));
    assert_eq!(metric(r#""gauge":{"dataPoints":[{"asInt":"7"}]}"#), one(r#""Gauge" value="7.0""#));
    assert_eq!(metric(r#""sum":{"dataPoints":[{"asInt":7}],"isMonotonic":true,"aggregationTemporality":2}"#), one(r#""Cumulative" value="7.0""#));
    let named = r#""sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA","dataPoints":[{"asInt":7}],"isMonotonic":true}"#;
    assert_eq!(metric(named), one(r#""Delta" value="7.0""#));
    assert_eq!(metric(r#""intSum":{"dataPoints":[{"value":"7","labels":[{"key":"a","value":"b"}]}]}"#), one(r#""Gauge" labels="a=b;" value="7.0""#));
    assert_eq!(metric(r#""intGauge":{"dataPoints":[{"value":"7"}]}"#), one(r#""Gauge" value="7.0""#));
    let histogram = metric(
        r#""histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"2","sum":"Infinity","bucketCounts":["1",1],"explicitBounds":[0.5]}]}"#,
    );
    assert_eq!(
        histogram,
        [
            r#"metric name="m_count" unit="s" kind="Cumulative" value="2.0""#,
            r#"metric name="m_sum" unit="s" kind="Cumulative" value="inf""#,
            r#"metric name="m_bucket" unit="s" kind="Cumulative" labels="le=0.5;" value="1.0""#,
            r#"metric name="m_bucket" unit="s" kind="Cumulative" labels="le=+Inf;" value="2.0""#,
        ]
    );
    assert_eq!(metric(r#""intHistogram":{"dataPoints":[{"count":"2","sum":"3"}]}"#).len(), 2);
    assert_eq!(metric(r#""exponentialHistogram":{"dataPoints":[{"count":2,"sum":3,"min":1,"max":2,"positive":{"bucketCounts":["1"]}}]}"#).len(), 4);
    let summary = metric(r#""summary":{"dataPoints":[{"count":2,"sum":3,"quantileValues":[{"quantile":0.5,"value":1},{"value":2}]}]}"#);
    assert_eq!(
        summary[2..],
        [
            r#"metric name="m" unit="s" kind="Gauge" labels="quantile=0.5;" value="1.0""#,
            r#"metric name="m" unit="s" kind="Gauge" labels="quantile=0;" value="2.0""#,
        ]
    );
    assert_eq!(metric(r#""gauge":{"dataPoints":[{"flags":1}]}"#), Vec::<String>::new());
    assert_eq!(metric(r#""gauge":{"dataPoints":[{"asDouble":null}]}"#), ["quarantine malformed"]);
    assert_eq!(metric(r#""description":"no data""#), ["quarantine malformed"]);
}

#[test]
fn requests_in_every_arrangement() {
    let one = spans(SPAN);
    for (text, label, count) in [
        (format!("{one}\n{one}\n"), "otlp-json/lines", 2),
        (format!("\u{feff}{one}\r\n{one}"), "otlp-json/lines", 2),
        (one.clone(), "otlp-json/lines", 1),
        (format!(" {{ \"resourceSpans\" : {}", &one[17..]), "otlp-json/lines", 1),
        (one.replace("[{", "[\n {"), "otlp-json/document", 1),
        (format!("[{one},{one}]"), "otlp-json/document", 2),
        (format!("[\n{one},\n{one}\n]\n"), "otlp-json/document", 2),
        (format!("{one}{one} {one}"), "otlp-json/document", 3),
        (format!("{{\"result\":{one}}}\n{{\"result\":{one}}}"), "otlp-json/lines", 2),
        (format!("{{\"trace\":{one}}}"), "otlp-json/lines", 1),
        (one.replace("resourceSpans", "batches"), "otlp-json/lines", 1),
        (format!("{{\"schemaUrl\":\"x\",{}", &one[1..]), "otlp-json/document", 1),
        (format!("tail\":1}}]}}\n{one}\n{one}\n"), "otlp-json/lines", 2),
    ] {
        let (found, transcript) = recognised(&text).unwrap_or_else(|| panic!("not recognised: {text}"));
        assert_eq!((found.as_str(), transcript.text.matches("span @").count()), (label, count), "{text}\n{}", transcript.text);
    }
}

#[test]
fn others_are_not_claimed() {
    for text in [
        "",
        "{}",
        "[]",
        r#"{"data":[{"traceID":"1","spans":[]}]}"#,
        r#"{"result":{"status":"ok"}}"#,
        r#"{"trace":{"id":"1"},"message":"x"}"#,
        r#"{"batches":[{"id":1}]}"#,
        r#"{"message":"resourceSpans"}"#,
        "plain text\n\"resourceSpans\"\n",
    ] {
        assert!((FORMAT.sniff)(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
    assert!(FORMATS.iter().any(|format| format.name == FORMAT.name));
}

#[test]
fn a_first_line_longer_than_the_head_is_still_lines() {
    let long = spans(&vec![SPAN; 2000].join(","));
    let found = recognise(&Head { path: "", bytes: &long.as_bytes()[..64 << 10], whole: false }).unwrap();
    assert!(matches!(found.parser, Parser::Lines(_)));
}

#[test]
fn other_content_is_named() {
    assert_eq!(told(r#"{"resourceProfiles":[{"x":1}]}"#), ["quarantine unsupported"]);
    assert_eq!(told(r#"{"error":{"code":5}}"#), ["quarantine unrecognised"]);
    assert_eq!(told(r#"{"result":{}} {}"#), Vec::<String>::new());
    assert_eq!(told("what"), ["quarantine malformed"]);
}

#[test]
fn a_torn_request_costs_what_is_torn() {
    let good = spans(SPAN);
    let two = spans(&format!("{SPAN},{SPAN}"));
    let torn = &two[..two.len() - SPAN.len() / 2];
    // Alone, in its own line, and with the next request behind it in the same line.
    for (text, want) in [(torn.to_owned(), (1, 1)), (format!("{torn}\n{good}\n"), (2, 1)), (format!("{torn}{good}\n"), (2, 1))] {
        let found = recognised(&format!("{good}\n{text}")).unwrap().1;
        assert_eq!((found.records - 1, found.quarantined), want, "{text}\n{}", found.text);
    }
    let start = torn.rfind(r#"{"traceId"#).unwrap();
    let found = transcript(torn.as_bytes());
    assert!(found.text.ends_with(&format!("quarantine @{start}+{} truncated\n", torn.len() - start)), "{}", found.text);
}

#[test]
fn records_before_a_cut_are_kept_wherever_it_is() {
    let text = concat!(
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"1","spanId":"1","attributes":[{"value":{"intValue":1},"key":"a"}]},{"traceId":"2","spanId":"2"}]}],"resource":{}}],"#,
        r#""resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":1}]},"name":"m"}]}]}],"#,
        r#""resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x\n"}}]}]}]}"#
    );
    assert_eq!((transcript(text.as_bytes()).records, transcript(text.as_bytes()).quarantined), (4, 0));
    let ends = [text.find(r#",{"traceId":"2""#).unwrap(), text.find(r#"]}],"resource":"#).unwrap()];
    for cut in 1..text.len() {
        let found = transcript(&text.as_bytes()[..cut]);
        let whole = ends.iter().filter(|end| cut >= **end).count();
        let spans = found.text.matches("span @").count();
        assert_eq!((spans, found.quarantined > 0), (whole, true), "{cut}: {}", found.text);
    }
}

#[test]
fn garbage_is_survived() {
    let text = spans(&format!("{SPAN},{SPAN}")).into_bytes();
    let mut state = 7_u64;
    for _ in 0..5000 {
        let mut bytes = text.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = b"{}[]\",:\\\xff\n0e"[(state >> 20) as usize % 12];
        }
        let found = transcript(&bytes);
        assert!(found.records <= 4, "{}", found.text);
    }
}

#[test]
fn bombs_are_defused() {
    let deep = 200_000;
    let kvlist = r#"{"kvlistValue":{"values":[{"key":"a","value":"#.repeat(deep / 40);
    for text in [
        format!(r#"{{"resourceSpans":{}"#, "[".repeat(deep)),
        format!(r#"{{"resourceSpans":{}"#, "[{".repeat(deep)),
        format!(r#"{{"resourceSpans":[{{"x":{}"#, "[".repeat(deep)),
        r#"{"result":"#.repeat(deep / 10),
        r#"{"resourceSpans":[{"x":"#.repeat(deep / 20),
        spans(&format!(r#"{{{IDS},"attributes":[{{"key":"a","value":{kvlist}"#)),
    ] {
        let found = transcript(text.as_bytes());
        assert_eq!((found.records, found.quarantined > 0), (0, true), "{:.60}", text);
    }
}

#[test]
fn text_that_is_not_utf8_keeps_its_places() {
    let mut bytes = spans(&SPAN.replace("GET", "caf#")).into_bytes();
    let at = bytes.iter().position(|b| *b == b'#').unwrap();
    bytes[at] = 0xe9;
    let found = transcript(&bytes);
    assert!(found.text.contains("name=\"caf\u{fffd}\"") && found.text.contains(&format!("+{} ", SPAN.len() + 1)), "{}", found.text);
}
