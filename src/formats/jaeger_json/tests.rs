use super::*;
use crate::formats::fixture::{self, recognised};
use crate::formats::{FORMATS, Parser, recognise};
use crate::model::transcript::Transcript;

const TRACE: &str = "83a9efd15c1c98a977e0711cc93ee28b";
const SPAN: &str = r#"{"traceID":"83a9efd15c1c98a977e0711cc93ee28b","spanID":"e127af99e3b3e074","operationName":"get","references":[],"startTime":1706678909209712,"duration":123,"processID":"p1"}"#;
const PROCESSES: &str = r#""processes":{"p2":{"serviceName":"orders","tags":[]},"p1":{"serviceName":"gateway","tags":[{"key":"hostname","type":"string","value":"gw-0"}]}}"#;

fn transcript(bytes: &[u8]) -> Transcript {
    fixture::read(parse, bytes)
}

fn told(text: &str) -> Vec<String> {
    fixture::placeless(&transcript(text.as_bytes()))
}

fn trace(spans: &str) -> String {
    format!(r#"{{"traceID":"{TRACE}","spans":[{spans}],{PROCESSES},"warnings":null}}"#)
}

fn answer(traces: &str) -> String {
    format!(r#"{{"data":[{traces}],"total":0,"limit":0,"offset":0,"errors":null}}"#)
}

/// A numbered span of its own trace.
fn numbered(n: usize) -> String {
    SPAN.replace("e127af99e3b3e074", &format!("{n:016x}"))
}

/// What one span with these members says, without its ids.
fn span(rest: &str) -> String {
    let text = format!(r#"{{"traceID":"{TRACE}","spanID":"1","operationName":"","startTime":1,{rest}}}"#);
    let head = format!(r#"span trace="{TRACE}" id="0000000000000001" "#);
    told(&text).join("|").replace(&head, "").replace(r#"kind="Unspecified" start="1970-01-01T00:00:00.000001Z" nanos="0" status="Unset""#, "-")
}

#[test]
fn a_span_in_full() {
    let text = answer(&trace(
        r#"{"traceID":"3a9efd15c1c98a977e0711cc93ee28b","spanID":"27af99e3b3e074","flags":1,"operationName":"GET /x","references":[{"refType":"CHILD_OF","traceID":"3a9efd15c1c98a977e0711cc93ee28b","spanID":"909541b92cf05311"}],"startTime":1706678909209712,"duration":123,"tags":[{"key":"span.kind","type":"string","value":"client"},{"key":"http.status_code","type":"int64","value":500},{"key":"otel.status_code","type":"string","value":"ERROR"},{"key":"otel.status_description","type":"string","value":"no"},{"key":"error","type":"bool","value":true}],"logs":[{"timestamp":1706678909209800,"fields":[{"key":"event","type":"string","value":"exception"},{"key":"exception.type","type":"string","value":"E"}]},{"timestamp":1706678909209801,"fields":[{"key":"n","type":"int64","value":1},{"key":"event","type":"string","value":"retry"}]}],"processID":"p1","warnings":null}"#,
    ));
    let want = concat!(
        r#"span trace="03a9efd15c1c98a977e0711cc93ee28b" id="0027af99e3b3e074" parent="909541b92cf05311" service="gateway" instance="gw-0" name="GET /x" "#,
        r#"kind="Client" start="2024-01-31T05:28:29.209712Z" nanos="123000" status="Error" status_message="no" "#,
        r#"attributes="span.kind=client;http.status_code=500;otel.status_code=ERROR;otel.status_description=no;error=true;" resource="hostname=gw-0;" "#,
        r#"events="exception 2024-01-31T05:28:29.209800Z exception.type=E;;retry 2024-01-31T05:28:29.209801Z n=1;;""#
    );
    assert_eq!(told(&text), [want]);
}

#[test]
fn every_layout_says_the_same() {
    let want = |id: &str, parent: &str| {
        format!(
            r#"span trace="000000000000000052969a8955571a3f" id="{id}" parent="{parent}" service="api" instance="api246" name="get" kind="Server" start="2017-01-26T21:46:31.639875Z" nanos="22938000" status="Unset" attributes="span.kind=server;port=53931;ok=false;" resource="hostname=api246;""#
        )
    };
    let want = want("0000000000647d98", "000000000068c4e3");
    let tags = r#"[{"key":"span.kind","type":"string","value":"server"},{"key":"port","type":"int64","value":53931},{"key":"ok","type":"bool","value":false}]"#;
    let model_tags =
        r#"[{"key":"span.kind","vType":"STRING","vStr":"server"},{"key":"port","vType":"INT64","vInt64":"53931"},{"key":"ok","vType":"BOOL"}]"#;
    let process = r#"{"serviceName":"api","tags":[{"key":"hostname","type":"string","value":"api246"}]}"#;
    let head = r#""traceID":"52969a8955571a3f","spanID":"647d98","operationName":"get","startTime":1485467191639875,"duration":22938"#;
    let reference = r#""references":[{"refType":"CHILD_OF","traceID":"52969a8955571a3f","spanID":"68c4e3"}]"#;
    let ui = format!(r#"{{{head},{reference},"tags":{tags},"logs":[],"processID":"p7"}}"#);
    let inline = format!(r#"{{{head},{reference},"tags":{tags},"logs":[],"process":{process}}}"#);
    let full = format!(
        r#"{{{head},"references":[{{"refType":"CHILD_OF","traceID":"52969a8955571a3f","spanID":"68c4e3","span":{inline}}}],"tags":{tags},"process":{process}}}"#
    );
    let model = format!(
        r#"{{"traceId":"AAAAAAAAAABSlpqJVVcaPw==","spanId":"AAAAAABkfZg=","operationName":"get","references":[{{"traceId":"AAAAAAAAAABSlpqJVVcaPw==","spanId":"AAAAAABoxOM="}}],"startTime":"2017-01-26T16:46:31.639875-05:00","duration":"22938000ns","tags":{model_tags},"process":{process}}}"#
    );
    let thrift = format!(
        r#"{{"traceIdLow":5951113872249657919,"traceIdHigh":0,"spanId":6585752,"parentSpanId":6866147,"operationName":"get","startTime":1485467191639875,"duration":22938,"tags":{}}}"#,
        model_tags.replace("INT64", "LONG").replace("vInt64", "vLong")
    );
    let stored = format!(
        r#"{{{head},"startTimeMillis":1485467191639,{reference},"tags":{},"logs":[],"process":{process}}}"#,
        tags.replace(r#""value":53931"#, r#""value":"53931""#).replace(r#""value":false"#, r#""value":"false""#)
    );
    let mapped = format!(
        r#"{{{head},{reference},"tag":{{"span@kind":"server","port":53931,"ok":false}},"process":{{"serviceName":"api","tag":{{"hostname":"api246"}}}}}}"#
    );
    let index = |source: &str| format!(r#"{{"_index":"jaeger-span-2017-01-26","_id":"x","_source":{source}}}"#);
    for (text, label) in [
        (format!(r#"{{"data":[{{"traceID":"1","spans":[{ui}],"processes":{{"p7":{process}}}}}],"errors":null}}"#), "jaeger-json"),
        (format!(r#"{{"data":[{{"processes":{{"p7":{process}}},"spans":[{ui}],"traceID":"1"}}]}}"#), "jaeger-json"),
        (format!("{{\n\"traceID\":\"1\",\n\"spans\":[\n{ui}\n],\n\"processes\":{{\"p7\":{process}}}\n}}"), "jaeger-json"),
        (format!(r#"[{{"traceID":"1","spans":[{ui}],"processes":{{"p7":{process}}}}}]"#), "jaeger-json"),
        (format!(r#"{{"data":{{"services":[{{"name":"api"}}],"spans":[{full}],"processes":{{}}}},"id":"1","state":"DONE"}}"#), "jaeger-json"),
        (format!("\u{feff}{{\"spans\":[{model}]}}"), "jaeger-json"),
        (format!(r#"{{"result":{{"spans":[{model}]}}}}"#), "jaeger-json"),
        (format!(r#"{{"process":{process},"spans":[{thrift}]}}"#), "jaeger-json"),
        (format!(r#"{{"spans":[{thrift}],"process":{process}}}"#), "jaeger-json"),
        (format!(r#"{{"took":1,"hits":{{"total":1,"hits":[{}]}}}}"#, index(&stored)), "jaeger-json"),
        (index(&stored), "jaeger-json"),
        (mapped.clone(), "jaeger-json"),
    ] {
        let (found, _) = recognised(&text).unwrap_or_else(|| panic!("not recognised: {text}"));
        assert_eq!((found.as_str(), told(&text)), (label, vec![want.clone()]), "{text}");
    }
    for line in [index(&stored), index(&mapped), stored, format!(r#"{{"spans":[{model}]}}"#)] {
        let (label, transcript) = recognised(&format!("{line}\n{line}\n")).unwrap();
        assert_eq!((label.as_str(), transcript.records, transcript.quarantined), ("jaeger-json/lines", 2, 0), "{line}");
    }
}

#[test]
fn parents_and_links() {
    let own = |kind: &str, id: &str| format!(r#"{{"refType":"{kind}","traceID":"{TRACE}","spanID":"{id}"}}"#);
    let (child, follows, other) = (own("CHILD_OF", "a"), own("FOLLOWS_FROM", "b"), r#"{"refType":"CHILD_OF","traceID":"7","spanID":"c"}"#);
    let (parent_a, parent_b) = (r#"parent="000000000000000a" -"#, r#"parent="000000000000000b" -"#);
    let link_b = format!(r#"links="{TRACE}/000000000000000b;""#);
    let link_c = r#"links="00000000000000000000000000000007/000000000000000c;""#;
    for (references, want) in [
        (format!("[{child}]"), parent_a.to_owned()),
        (format!("[{follows},{child}]"), format!("{parent_a} {link_b}")),
        (format!("[{follows}]"), format!("{parent_b} {link_b}")),
        (format!("[{other}]"), format!("- {link_c}")),
        (format!("[{other},{child}]"), format!("{parent_a} {link_c}")),
        (r#"[{"spanID":"a"}]"#.to_owned(), parent_a.to_owned()),
        (r#"[],"parentSpanID":"a""#.to_owned(), parent_a.to_owned()),
        (r#"[],"parentSpanID":"0""#.to_owned(), "-".to_owned()),
        ("null".to_owned(), "-".to_owned()),
        ("[null,7,{}]".to_owned(), "-".to_owned()),
    ] {
        assert_eq!(span(&format!(r#""references":{references}"#)), want, "{references}");
    }
}

#[test]
fn kinds_and_outcomes() {
    let tagged = |key: &str, value: &str| {
        let text = span(&format!(r#""tags":[{{"key":"{key}","value":{value}}}]"#));
        let words = |name: &str| text.split(' ').find_map(|word| word.strip_prefix(name)).unwrap_or("").trim_matches('"').to_owned();
        (words("kind="), words("status="))
    };
    for (key, value, kind, status) in [
        ("span.kind", "\"server\"", "Server", "Unset"),
        ("span.kind", "\"CONSUMER\"", "Consumer", "Unset"),
        ("span.kind", "\"producer\"", "Producer", "Unset"),
        ("span.kind", "\"internal\"", "Internal", "Unset"),
        ("error", "true", "Unspecified", "Error"),
        ("error", "\"true\"", "Unspecified", "Error"),
        ("otel.status_code", "\"ERROR\"", "Unspecified", "Error"),
        ("otel.status_code", "\"OK\"", "Unspecified", "Ok"),
    ] {
        assert_eq!(tagged(key, value), (kind.to_owned(), status.to_owned()), "{key} {value}");
    }
    for value in ["false", "\"false\"", "null", "\"\""] {
        assert!(span(&format!(r#""tags":[{{"key":"error","value":{value}}}]"#)).starts_with('-'), "{value}");
    }
}

#[test]
fn values_have_their_types() {
    let tags = r#"[{"key":"a","type":"int64","value":"9223372036854775807"},{"key":"b","type":"float64","value":"1.5"},{"key":"c","type":"bool","value":"true"},{"value":"x","key":"d"},{"key":"e","value":{"k":[1]}},{"key":"f","vType":"FLOAT64","vFloat64":2},{"key":"g","vType":"BINARY","vBinary":"AQI="},{"key":"h","vType":"INT64"},{"key":"i","type":"int64","value":"no"},{"key":"j","value":1e3},null,{"value":1}]"#;
    assert_eq!(
        span(&format!(r#""tags":{tags}"#)),
        r#"- attributes="a=9223372036854775807;b=1.5;c=true;d=x;e={\"k\":[1]};f=2.0;g=AQI=;h=0;i=no;j=1000.0;""#
    );
    assert_eq!(span(r#""tags":null,"logs":null,"process":null,"references":null,"duration":null"#), "-");
}

#[test]
fn durations_in_every_spelling() {
    for (text, nanos) in [
        ("7", 7000_i64),
        ("\"7\"", 7000),
        ("7.9", 7000),
        ("\"22938000ns\"", 22_938_000),
        ("\"0.022938s\"", 22_938_000),
        ("\"1m2.5s\"", 62_500_000_000),
        ("\"3µs\"", 3000),
        ("\"1h\"", 3_600_000_000_000),
        ("\"soon\"", 0),
        ("\"5\u{20ac}\"", 0),
        ("-7", 0),
        ("9223372036854775807", 0),
    ] {
        let line = span(&format!(r#""duration":{text}"#));
        assert!(line.contains(&format!("nanos=\"{nanos}\"")) || (nanos == 0 && line == "-"), "{text}: {line}");
    }
}

#[test]
fn errors_of_opentracing_become_exceptions() {
    let event = |fields: &str| {
        let fields: Vec<String> = fields
            .split(',')
            .map(|f| f.split_once('=').map_or_else(String::new, |(key, value)| format!(r#"{{"key":"{key}","value":"{value}"}}"#)))
            .collect();
        span(&format!(r#""logs":[{{"timestamp":1,"fields":[{}]}}]"#, fields.join(","))).replace(" 1970-01-01T00:00:00.000001Z", "")
    };
    for (fields, want) in [
        ("event=exception,exception.type=A", "exception exception.type=A;;"),
        ("exception.type=A", "exception exception.type=A;;"),
        ("event=error,error.object=a.B: no", "exception error.object=a.B: no;exception.message=a.B: no;;"),
        (
            "event=error,error.object=a.BException: no,stack=x",
            "exception error.object=a.BException: no;stack=x;exception.type=a.BException;exception.message=a.BException: no;exception.stacktrace=x;;",
        ),
        ("error.kind=timeout,message=late", "exception error.kind=timeout;message=late;exception.type=timeout;exception.message=late;;"),
        ("event=cache.miss,key=a", "cache.miss key=a;;"),
        ("message=only this", "only this message=only this;;"),
    ] {
        assert_eq!(event(fields), format!("- events=\"{want}\""), "{fields}");
    }
}

#[test]
fn placeholders_are_no_service() {
    for name in ["unknown_service:java", "OTLPResourceNoServiceName", ""] {
        assert_eq!(span(&format!(r#""process":{{"serviceName":"{name}"}}"#)), "-", "{name}");
    }
    assert_eq!(told(&trace(&SPAN.replace("p1", "p9"))).join("").matches("service=").count(), 0);
}

#[test]
fn evidence_is_the_span_itself() {
    let text = answer(&format!("{},\n {}", trace(&format!("{SPAN} , {SPAN}")), trace(SPAN)));
    let found = transcript(text.as_bytes());
    let places: Vec<usize> = text.match_indices(SPAN).map(|(at, _)| at).collect();
    let lines: Vec<&str> = found.text.lines().collect();
    assert_eq!((places.len(), lines.len(), found.quarantined), (3, 3, 0));
    for (line, at) in lines.iter().zip(places) {
        assert!(line.starts_with(&format!("span @{at}+{} ", SPAN.len())), "{line}");
    }
}

#[test]
fn others_are_not_claimed() {
    for text in [
        "",
        "{}",
        "[]",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        r#"{"data":[]}"#,
        r#"{"data":["a","b"]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"1","spanId":"2","name":"x"}]}]}]}"#,
        r#"{"result":{"resourceSpans":[]}}"#,
        r#"[{"traceId":"0562809467078eab","id":"0562809467078eab","name":"poll","timestamp":1541405397200023,"localEndpoint":{}}]"#,
        r#"{"time":"2026-11-22T19:36:07Z","operationName":"Write","level":"INFO","spanId":"4013aa1f7d3c8a1b"}"#,
        r#"{"@timestamp":"2026-11-22T19:36:07Z","message":"m","spans":[{"name":"s"}]}"#,
        "plain \"spanID\" text",
    ] {
        assert!((FORMAT.sniff)(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
    assert!(FORMATS.iter().any(|format| format.name == FORMAT.name));
}

#[test]
fn a_head_that_ends_inside_the_first_trace_is_enough() {
    let text = answer(&trace(&vec![SPAN; 1000].join(",")));
    let found = recognise(&Head { path: "", bytes: &text.as_bytes()[..64 << 10], whole: false }).unwrap();
    assert!(matches!((found.label.as_str(), found.parser), ("jaeger-json", Parser::Whole(_))));
}

#[test]
fn spans_without_ids_go_to_quarantine_and_the_rest_goes_on() {
    for bad in [r#"{"traceID":"1","spanID":"no id"}"#, r#"{"spanID":"1"}"#, r#"{"traceID":"0","spanID":"1"}"#, r#"{"traceID":"1"}"#] {
        let text = answer(&trace(&format!("{SPAN},{bad},{SPAN}")));
        let found = transcript(text.as_bytes());
        assert_eq!((found.records, found.quarantined), (2, 1), "{}", found.text);
        assert!(found.text.contains(&format!("quarantine @{}+{} bad-id\n", text.find(bad).unwrap(), bad.len())), "{}", found.text);
    }
    let found = transcript(answer(&trace(&format!("{SPAN},7,null,\"x\",{SPAN}"))).as_bytes());
    assert_eq!((found.text.matches("span @").count(), found.text.matches("malformed").count()), (2, 2));
}

#[test]
fn other_content_is_named() {
    assert_eq!(told(r#"{"error":{"code":5}}"#), ["quarantine unrecognised"]);
    assert_eq!(told(r#"{"data":[],"errors":null}"#), Vec::<String>::new());
    assert_eq!(told("what"), ["quarantine malformed"]);
}

/// Each fault stands in the middle one of five spans; what it costs is that span, and nobody loses the name of its service.
#[test]
fn a_fault_costs_its_span_only() {
    let spans: Vec<String> = (1..=5).map(numbered).collect();
    for (from, to) in [
        (r#""references":[]"#, r#""references":["#),
        (r#""references":[]"#, r#""references":[{{"#),
        (r#""references":[]"#, r#""references":[]}"#),
        (r#""references":[]"#, r#""references":"#),
        (r#""references":[]"#, r#""references":]"#),
        (r#""operationName":"get""#, r#""operationName":"get"#),
        (r#""operationName":"get""#, r#""operationName" "get""#),
        (r#""duration":123,"processID":"p1"}"#, r#""duration":123,"process"#),
        (r#""processID":"p1"}"#, r#""processID":"p1""#),
    ] {
        let mut faulty = spans.clone();
        faulty[2] = faulty[2].replace(from, to);
        assert_ne!(faulty[2], spans[2], "{from}");
        let last = trace(&numbered(9).replace("p1", "p2"));
        let text = answer(&format!("{},{},{last}", trace(&faulty.join(",")), trace(&spans.join(",")).replace("gateway", "other")));
        let found = transcript(text.as_bytes());
        let count = |what: &str| found.text.matches(what).count();
        let named = (count("service=\"gateway\""), count("service=\"other\""), count("service=\"orders\""));
        assert!(named.0 >= 4 && named.1 == 5 && named.2 == 1, "{to}: {named:?}\n{}", found.text);
        assert!(found.quarantined >= 1, "{to}\n{}", found.text);
    }
}

#[test]
fn spans_before_a_cut_are_kept_wherever_it_is() {
    let spans = [numbered(1), numbered(2), numbered(3)];
    let text = answer(&format!("{},{}", trace(&spans[..2].join(",")), trace(&spans[2])));
    let ends: Vec<usize> = spans.iter().map(|span| text.find(span.as_str()).unwrap() + span.len()).collect();
    for cut in 1..text.len() {
        let found = transcript(&text.as_bytes()[..cut]);
        let whole = ends.iter().filter(|end| cut >= **end).count();
        assert_eq!((found.text.matches("span @").count(), found.quarantined), (whole, 1), "{cut}: {}", found.text);
        assert!(found.text.ends_with(" truncated\n"), "{cut}: {}", found.text);
    }
    let first_processes = text.find(r#","warnings""#).unwrap();
    assert_eq!(transcript(&text.as_bytes()[..first_processes]).text.matches("service=\"gateway\"").count(), 2);
    let torn = &text[..ends[2] - 20];
    let start = text.find(&spans[2]).unwrap();
    assert!(transcript(torn.as_bytes()).text.ends_with(&format!("quarantine @{start}+{} truncated\n", torn.len() - start)));
}

#[test]
fn a_torn_line_costs_that_line() {
    let line = SPAN.replace(r#""processID":"p1""#, r#""process":{"serviceName":"a"}"#);
    let found = recognised(&format!("{line}\n{line}\n{}\n{line}\n", &line[..90])).unwrap();
    assert_eq!((found.0.as_str(), found.1.text.matches("span @").count(), found.1.quarantined), ("jaeger-json/lines", 3, 1), "{}", found.1.text);
}

#[test]
fn garbage_is_survived() {
    let spans = [numbered(1), numbered(2), numbered(3)];
    let text = answer(&format!("{},{}", trace(&spans[..2].join(",")), trace(&spans[2]))).into_bytes();
    let mut state = 7_u64;
    for _ in 0..5000 {
        let mut bytes = text.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = b"{}[]\",:\\\xff\n0e"[(state >> 20) as usize % 12];
        }
        let found = transcript(&bytes);
        assert!(found.records <= 12, "{}", found.text);
        let _ = recognise(&Head { path: "", bytes: &bytes, whole: true });
    }
}

#[test]
fn bombs_are_defused() {
    let deep = 200_000;
    for text in [
        format!(r#"{{"data":{}"#, "[".repeat(deep)),
        format!(r#"{{"data":{}"#, "[{".repeat(deep)),
        r#"{"data":"#.repeat(deep / 20),
        r#"{"data":[{"spans":[{"traceID":]},"#.repeat(deep / 20),
        r#"{"traceID":[1,"#.repeat(deep / 20),
        r#"{"spans":[],"processes":"#.repeat(deep / 20),
        r#"{"traceID":"1","spans":[{"traceID":"1","#.repeat(deep / 20),
        format!(r#"{{"spans":[{}]"#, r#"{"traceID":"1","spanID":"1","tags":[{"key":"#.repeat(deep / 20)),
        format!(r#"{{"spans":[{{"traceID":"1","spanID":"1","references":{}"#, r#"[{"span":{"references":"#.repeat(deep / 20)),
    ] {
        let found = transcript(text.as_bytes());
        assert!(found.quarantined > 0, "{:.60}", text);
        let _ = recognise(&Head { path: "", bytes: text.as_bytes(), whole: true });
    }
}

#[test]
fn text_that_is_not_utf8_keeps_its_places() {
    let mut bytes = answer(&trace(&SPAN.replace("get", "caf#"))).into_bytes();
    let at = bytes.iter().position(|b| *b == b'#').unwrap();
    bytes[at] = 0xe9;
    let found = transcript(&bytes);
    assert!(found.text.contains("name=\"caf\u{fffd}\"") && found.text.contains(&format!("+{} ", SPAN.len() + 1)), "{}", found.text);
}
