use super::*;
use crate::formats::recognise;
use crate::model::source::{FileId, Hints};
use crate::model::transcript::Transcript;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Held;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

const START: u64 = 1_795_376_426_000_000_000;

fn any(held: Held) -> AnyValue {
    AnyValue { value: Some(held) }
}

fn pair(key: &str, held: Held) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(held)), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Held::StringValue(value.to_owned()))
}

fn resource(service: &str) -> Option<Resource> {
    Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() })
}

fn scope(name: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() })
}

fn simple_span(number: u64) -> Span {
    Span {
        trace_id: vec![0xab; 16],
        span_id: number.to_be_bytes().to_vec(),
        name: format!("span {number}"),
        start_time_unix_nano: START,
        end_time_unix_nano: START + number,
        attributes: (0..number % 4).map(|n| text(&format!("key {n}"), &"v".repeat(n as usize * 90))).collect(),
        ..Span::default()
    }
}

fn traces(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { scope: scope("lib"), spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource: resource("orders"), scope_spans, ..ResourceSpans::default() }] }
}

fn logs(records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { scope: scope("a.Logger"), log_records: records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { resource: resource("orders"), scope_logs, ..ResourceLogs::default() }] }
}

fn metrics(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }] }
}

fn minimal_gauge() -> Metric {
    let point = NumberDataPoint { time_unix_nano: START, value: Some(Number::AsInt(5)), ..NumberDataPoint::default() };
    Metric { name: "queue.depth".to_owned(), data: Some(Data::Gauge(Gauge { data_points: vec![point] })), ..Metric::default() }
}

fn simple_log() -> LogRecord {
    LogRecord { time_unix_nano: START, severity_number: 9, body: Some(any(Held::StringValue("hi".to_owned()))), ..LogRecord::default() }
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| [&(message.len() as u32).to_be_bytes()[..], message].concat()).collect()
}

fn transcript(bytes: &[u8], parse: crate::formats::ParseFn) -> Transcript {
    let mut transcript = Transcript::default();
    parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &Hints::default() }, &mut transcript);
    transcript
}

fn told(bytes: &[u8]) -> Vec<String> {
    let placeless = |line: &str| line.split(' ').filter(|word| !word.starts_with('@')).collect::<Vec<_>>().join(" ");
    transcript(bytes, parse_message).text.lines().map(placeless).collect()
}

fn label(bytes: &[u8], whole: bool) -> Option<String> {
    recognise(&Head { path: "", bytes, whole }).map(|found| found.label)
}

#[test]
fn a_span_in_full() {
    let list =
        Held::ArrayValue(ArrayValue { values: vec![any(Held::StringValue("x".to_owned())), any(Held::IntValue(-1)), AnyValue { value: None }] });
    let map = Held::KvlistValue(KeyValueList { values: vec![text("b", "c"), pair("n", Held::BoolValue(true))] });
    let request = traces(vec![Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        trace_state: "s".to_owned(),
        flags: 257,
        name: "GET".to_owned(),
        kind: 3,
        start_time_unix_nano: START,
        end_time_unix_nano: START + 7,
        attributes: vec![
            text("a", ""),
            pair("i", Held::IntValue(-5)),
            pair("d", Held::DoubleValue(1.5)),
            pair("l", list),
            pair("m", map),
            pair("y", Held::BytesValue(vec![1, 2])),
            KeyValue { key: "none".to_owned(), ..KeyValue::default() },
        ],
        events: vec![Event {
            time_unix_nano: START,
            name: "exception".to_owned(),
            attributes: vec![text("exception.type", "E")],
            ..Event::default()
        }],
        links: vec![Link { trace_id: vec![4; 16], span_id: vec![5; 8], ..Link::default() }],
        status: Some(Status { message: "no".to_owned(), code: 2 }),
        ..Span::default()
    }]);
    let want = concat!(
        r#"span trace="01010101010101010101010101010101" id="0202020202020202" parent="0303030303030303" service="orders" name="GET" kind="Client" "#,
        r#"start="2026-11-22T19:40:26Z" nanos="7" status="Error" status_message="no" "#,
        r#"attributes="a=;i=-5;d=1.5;l=[\"x\",-1,null];m.b=c;m.n=true;y=AQI=;none=;" resource="service.name=orders;" "#,
        r#"events="exception 2026-11-22T19:40:26Z exception.type=E;;" links="04040404040404040404040404040404/0505050505050505;""#
    );
    assert_eq!(told(&request.encode_to_vec()), [want]);
}

#[test]
fn spans_are_what_the_generated_types_read() {
    let request = traces((1..200).map(simple_span).collect());
    let bytes = request.encode_to_vec();
    let found = transcript(&bytes, parse_message);
    let spans = &request.resource_spans[0].scope_spans[0].spans;
    assert_eq!((found.records, found.quarantined), (spans.len(), 0));
    for (line, span) in found.text.lines().zip(spans) {
        let (start, len) = line.split(' ').nth(1).and_then(|place| place[1..].split_once('+')).unwrap();
        let (start, len): (usize, usize) = (start.parse().unwrap(), len.parse().unwrap());
        assert_eq!(Span::decode(&bytes[start..start + len]).as_ref(), Ok(span));
        assert!(line.contains(&format!("name={:?}", span.name)), "{line}");
        let attributes: String =
            span.attributes.iter().map(|a| format!("{}={};", a.key, "v".repeat(a.key[4..].parse::<usize>().unwrap() * 90))).collect();
        assert!(attributes.is_empty() || line.contains(&format!("attributes={attributes:?}")), "{line}");
    }
}

#[test]
fn logs_in_full() {
    let map = Held::KvlistValue(KeyValueList { values: vec![text("message", "hi"), text("k", "v")] });
    let request = logs(vec![
        LogRecord { trace_id: vec![1; 16], span_id: vec![2; 8], attributes: vec![text("thread.name", "main")], ..simple_log() },
        LogRecord { observed_time_unix_nano: START, severity_text: "warn".to_owned(), body: Some(any(map)), ..LogRecord::default() },
        LogRecord { time_unix_nano: START, event_name: "page.view".to_owned(), ..LogRecord::default() },
    ]);
    let service = r#"service="orders" logger="a.Logger""#;
    let time = r#"time="2026-11-22T19:40:26Z""#;
    assert_eq!(
        told(&request.encode_to_vec()),
        [
            format!(
                r#"log {time} level="INFO" {service} thread="main" trace="01010101010101010101010101010101" span="0202020202020202" message="hi""#
            ),
            format!(r#"log {time} level="WARN" {service} message="hi" fields="k=v;""#),
            format!(r#"log {time} {service} message="page.view" fields="event.name=page.view;""#),
        ]
    );
}

#[test]
fn metrics_of_all_shapes() {
    let named = |data| Metric { name: "m".to_owned(), unit: "s".to_owned(), data: Some(data), ..Metric::default() };
    let number =
        |value| NumberDataPoint { time_unix_nano: START, attributes: vec![text("a", "b")], value: Some(value), ..NumberDataPoint::default() };
    let histogram = HistogramDataPoint {
        time_unix_nano: START,
        count: 3,
        sum: Some(0.6),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![0.5],
        max: Some(0.4),
        ..HistogramDataPoint::default()
    };
    let exponential =
        ExponentialHistogramDataPoint { time_unix_nano: START, count: 2, sum: Some(3.0), min: Some(1.0), scale: -1, ..Default::default() };
    let summary = SummaryDataPoint {
        time_unix_nano: START,
        count: 2,
        sum: 3.0,
        quantile_values: vec![ValueAtQuantile { quantile: 0.5, value: 1.0 }],
        ..Default::default()
    };
    let absent = NumberDataPoint { time_unix_nano: START, flags: 1, ..NumberDataPoint::default() };
    let request = metrics(vec![
        named(Data::Gauge(Gauge { data_points: vec![number(Number::AsInt(-5)), absent] })),
        named(Data::Sum(Sum { data_points: vec![number(Number::AsDouble(1.5))], aggregation_temporality: 1, is_monotonic: true })),
        named(Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 })),
        named(Data::ExponentialHistogram(ExponentialHistogram { data_points: vec![exponential], aggregation_temporality: 2 })),
        named(Data::Summary(Summary { data_points: vec![summary] })),
        Metric { name: "m".to_owned(), ..Metric::default() },
    ]);
    let found: Vec<String> = told(&request.encode_to_vec()).iter().map(|line| line.replace(r#"metric time="2026-11-22T19:40:26Z" "#, "")).collect();
    let want = [
        r#"name="m" unit="s" kind="Gauge" labels="a=b;" value="-5.0""#,
        r#"name="m" unit="s" kind="Delta" labels="a=b;" value="1.5""#,
        r#"name="m_count" unit="s" kind="Cumulative" value="3.0""#,
        r#"name="m_sum" unit="s" kind="Cumulative" value="0.6""#,
        r#"name="m_max" unit="s" kind="Gauge" value="0.4""#,
        r#"name="m_bucket" unit="s" kind="Cumulative" labels="le=0.5;" value="1.0""#,
        r#"name="m_bucket" unit="s" kind="Cumulative" labels="le=+Inf;" value="3.0""#,
        r#"name="m_count" unit="s" kind="Cumulative" value="2.0""#,
        r#"name="m_sum" unit="s" kind="Cumulative" value="3.0""#,
        r#"name="m_min" unit="s" kind="Gauge" value="1.0""#,
        r#"name="m_count" unit="s" kind="Cumulative" value="2.0""#,
        r#"name="m_sum" unit="s" kind="Cumulative" value="3.0""#,
        r#"name="m" unit="s" kind="Gauge" labels="quantile=0.5;" value="1.0""#,
        "quarantine malformed",
    ];
    assert_eq!(found, want);
}

#[test]
fn a_minimal_gauge_is_no_span() {
    let bytes = metrics(vec![minimal_gauge()]).encode_to_vec();
    assert_eq!(told(&bytes), [r#"metric time="2026-11-22T19:40:26Z" name="queue.depth" kind="Gauge" value="5.0""#]);
    let point = NumberDataPoint { value: Some(Number::AsInt(5)), ..NumberDataPoint::default() };
    let bytes = metrics(vec![Metric { data: Some(Data::Gauge(Gauge { data_points: vec![point] })), ..minimal_gauge() }]).encode_to_vec();
    // The generated types would take it for a span.
    assert!(ExportTraceServiceRequest::decode(&bytes[..]).is_ok());
    assert_eq!(told(&bytes), [r#"metric name="queue.depth" kind="Gauge" value="5.0""#]);
    // Name and description may even have the lengths of ids.
    let metric = Metric { name: "0123456789abcdef".to_owned(), description: "01234567".to_owned(), ..minimal_gauge() };
    assert!(told(&metrics(vec![metric]).encode_to_vec())[0].starts_with("metric "));
}

#[test]
fn signals_alternate_from_message_to_message() {
    let bytes = framed(&[
        traces(vec![simple_span(1)]).encode_to_vec(),
        metrics(vec![minimal_gauge()]).encode_to_vec(),
        Vec::new(),
        logs(vec![simple_log()]).encode_to_vec(),
        spans_as_json().into_bytes(),
        traces(vec![simple_span(2)]).encode_to_vec(),
    ]);
    assert_eq!(label(&bytes, true).as_deref(), Some("otlp-proto/framed"));
    let found = transcript(&bytes, parse_framed);
    let kinds: Vec<&str> = found.text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds, ["span", "metric", "log", "span", "span"]);
    assert_eq!(Prefix::BigEndian.whole(&bytes), Some(4 + traces(vec![simple_span(1)]).encoded_len()));
}

fn spans_as_json() -> String {
    r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"1","spanId":"1"}]}]}]}"#.to_owned()
}

#[test]
fn compressed_frames_are_cited_as_a_whole() {
    for (message, want) in
        [(traces(vec![simple_span(1)]).encode_to_vec(), "otlp-proto/framed-zstd"), (spans_as_json().into_bytes(), "otlp-json/framed-zstd")]
    {
        let bytes = framed(&[zstd::encode_all(&message[..], 3).unwrap(), zstd::encode_all(&message[..], 3).unwrap()]);
        assert_eq!(label(&bytes, true).as_deref(), Some(want));
        let found = transcript(&bytes, parse_framed);
        let half = bytes.len() / 2;
        let places: Vec<&str> = found.text.lines().filter_map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(places, [format!("@0+{half}"), format!("@{half}+{half}")]);
    }
}

#[test]
fn a_compressed_frame_may_not_grow_without_limit() {
    let bomb = zstd::encode_all(&vec![0; 1 << 20][..], 3).unwrap();
    let broken = &zstd::encode_all(&b"0123456789"[..], 3).unwrap()[..12];
    let bytes = framed(&[bomb.clone(), broken.to_vec(), traces(vec![simple_span(1)]).encode_to_vec()]);
    let found = transcript(&bytes, parse_framed);
    let lines: Vec<&str> = found.text.lines().collect();
    assert_eq!(lines[0], format!("quarantine @0+{} expansion-limit", 4 + bomb.len()));
    assert!(lines[1].ends_with("malformed") && lines[2].starts_with("span "), "{}", found.text);
}

#[test]
fn single_messages_and_delimited_streams() {
    let message = traces((1..5).map(simple_span).collect()).encode_to_vec();
    assert_eq!(label(&message, true).as_deref(), Some("otlp-proto/message"));
    assert_eq!(label(&message[..300], false).as_deref(), Some("otlp-proto/message"));
    let mut stream = Vec::new();
    for _ in 0..3 {
        traces((1..5).map(simple_span).collect()).encode_length_delimited(&mut stream).unwrap();
    }
    assert_eq!(label(&stream, true).as_deref(), Some("otlp-proto/delimited"));
    assert_eq!(transcript(&stream, parse_delimited).records, 12);
    assert_eq!(Prefix::Varint.whole(&stream), Some(stream.len() / 3));
}

#[test]
fn a_first_message_longer_than_the_head_is_recognised() {
    let bytes = framed(&[traces((1..2000).map(simple_span).collect()).encode_to_vec()]);
    assert_eq!(label(&bytes[..64 << 10], false).as_deref(), Some("otlp-proto/framed"));
    assert_eq!(label(&bytes[4..64 << 10], false).as_deref(), Some("otlp-proto/message"));
}

#[test]
fn others_are_not_claimed() {
    for bytes in [
        &b""[..],
        b"\n",
        b"\nplain text that begins with an empty line\n",
        b"{\"a\":1}",
        b"\0\0\0\x05hello",
        b"\0\0\0\0",
        &[0; 100],
        &[0x0a; 100],
        b"PK\x03\x04",
    ] {
        assert_eq!(label(bytes, true), None, "{bytes:?}");
    }
}

#[test]
fn libraries_before_they_were_scopes() {
    // Field 1000 in the place of field 2, as a short-lived release wrote it.
    let library = ScopeSpans { scope: scope("lib"), spans: vec![simple_span(1)], ..ScopeSpans::default() }.encode_to_vec();
    let mut group = vec![0xc2, 0x3e];
    prost::encoding::encode_varint(library.len() as u64, &mut group);
    group.extend(&library);
    let mut message = vec![0x0a];
    prost::encoding::encode_varint(group.len() as u64, &mut message);
    message.extend(&group);
    assert_eq!(told(&message).len(), 1);
    assert_eq!(label(&message, true).as_deref(), Some("otlp-proto/message"));
}

#[test]
fn fields_in_any_order() {
    let (about, spans) =
        (resource("late").unwrap().encode_to_vec(), ScopeSpans { spans: vec![simple_span(1)], ..ScopeSpans::default() }.encode_to_vec());
    let group = [&[0x12, spans.len() as u8][..], &spans, &[0x0a, about.len() as u8], &about].concat();
    let message = [&[0x0a, group.len() as u8][..], &group].concat();
    assert!(told(&message)[0].contains(r#"service="late""#));
}

#[test]
fn spans_without_ids_go_to_quarantine_alone() {
    let bad = [
        Span { trace_id: Vec::new(), ..simple_span(1) },
        Span { span_id: vec![0; 8], ..simple_span(1) },
        Span { trace_id: vec![1; 5], ..simple_span(1) },
    ];
    for bad in bad {
        let found = told(&traces(vec![bad.clone(), simple_span(2)]).encode_to_vec());
        assert!(found.len() == 2 && found[0] == "quarantine bad-id" && found[1].starts_with("span "), "{found:?}");
        assert_eq!(told(&traces(vec![bad]).encode_to_vec()), ["quarantine bad-id"]);
    }
}

#[test]
fn a_broken_record_costs_itself() {
    let mut message = traces(vec![simple_span(1), simple_span(2)]).encode_to_vec();
    // Make the length of the second span's name point behind the span.
    let at = message.windows(6).rposition(|window| window == b"span 2").unwrap() - 1;
    message[at] = 0x7f;
    let found = told(&message);
    assert!(found.len() == 2 && found[0].starts_with("span ") && found[1] == "quarantine malformed", "{found:?}");
}

#[test]
fn lengths_that_lie() {
    let good = traces(vec![simple_span(1)]).encode_to_vec();
    let frame = framed(std::slice::from_ref(&good));
    for lie in [u32::MAX, good.len() as u32 + 1, 0x7fff_ffff] {
        // What stands behind a length that leads nowhere is read as far as it goes.
        let bytes = [&frame[..], &lie.to_be_bytes(), &good].concat();
        let found = transcript(&bytes, parse_framed);
        assert_eq!((found.records, found.quarantined), (2, 1), "{}", found.text);
        assert_eq!(Prefix::BigEndian.whole(&lie.to_be_bytes()), None);
        // Frames behind it are found.
        let bytes = [&frame[..], &lie.to_be_bytes(), b"\x0anothing", &frame, &frame].concat();
        let found = transcript(&bytes, parse_framed);
        assert_eq!((found.records, found.quarantined), (3, 1), "{}", found.text);
        let want = format!("quarantine @{}+12 malformed", frame.len());
        assert!(found.text.contains(&want), "{}", found.text);
    }
    let short = [&(good.len() as u32 - 9).to_be_bytes()[..], &good, &frame].concat();
    let found = transcript(&short, parse_framed);
    assert!(found.records > 0 && found.quarantined > 0, "{}", found.text);
}

#[test]
fn a_stump_does_not_cost_what_was_appended() {
    let message = traces((1..6).map(simple_span).collect()).encode_to_vec();
    let frame = framed(&[message]);
    let bytes = [&frame[..frame.len() / 2], &frame.repeat(4)].concat();
    let found = transcript(&bytes, parse_framed);
    // The stump swallows the frame behind it, but no more than that.
    assert!(found.records >= 15 && found.quarantined > 0, "{}", found.text);
}

#[test]
fn many_false_starts_take_no_longer() {
    let almost = [&[0, 0, 0, 40][..], &[0x0a, 0].repeat(200)].concat().repeat(2000);
    let found = transcript(&almost, parse_framed);
    assert_eq!(found.records, 0);
}

#[test]
fn records_before_a_cut_are_kept_wherever_it_is() {
    let message = traces(vec![simple_span(1), simple_span(2), simple_span(3)]).encode_to_vec();
    let mut most = 0;
    for cut in 1..message.len() {
        let found = transcript(&message[..cut], parse_message);
        assert!(found.records >= most && found.records < 4, "{cut}: {}", found.text);
        assert!(found.records == 3 || found.quarantined > 0, "{cut}: {}", found.text);
        most = found.records;
        let found = transcript(&framed(std::slice::from_ref(&message))[..cut + 4], parse_framed);
        assert!(found.records == most && found.quarantined == 1, "{cut}: {}", found.text);
    }
}

#[test]
fn garbage_is_survived() {
    let message = framed(&[traces((1..6).map(simple_span).collect()).encode_to_vec(), metrics(vec![minimal_gauge()]).encode_to_vec()]);
    let mut state = 7_u64;
    for _ in 0..5000 {
        let mut bytes = message.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = (state >> 20) as u8;
        }
        let (framed, single) = (transcript(&bytes, parse_framed), transcript(&bytes[4..], parse_message));
        assert!(framed.records < 20 && single.records < 20);
        let _ = label(&bytes, true);
    }
}

#[test]
fn nesting_is_bounded() {
    let mut value = any(Held::IntValue(1)).encode_to_vec();
    for _ in 0..20_000 {
        // An `AnyValue` that holds a list of one.
        for tag in [0x0a, 0x2a] {
            let mut outer = vec![tag];
            prost::encoding::encode_varint(value.len() as u64, &mut outer);
            outer.append(&mut value);
            value = outer;
        }
    }
    let attribute = [&[0x0a, 1, b'a', 0x12][..], &varint_bytes(value.len()), &value].concat();
    let span = [&simple_span(4).encode_to_vec()[..], &[0x4a], &varint_bytes(attribute.len()), &attribute].concat();
    let wrap = |inner: &[u8], tag: u8| [&[tag][..], &varint_bytes(inner.len()), inner].concat();
    assert_eq!(told(&wrap(&wrap(&wrap(&span, 0x12), 0x12), 0x0a)), ["quarantine too-long"]);
}

fn varint_bytes(value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value as u64, &mut bytes);
    bytes
}

#[test]
fn text_that_is_not_utf8_is_repaired() {
    let mut message = traces(vec![simple_span(1)]).encode_to_vec();
    let at = message.windows(6).position(|window| window == b"span 1").unwrap();
    message[at] = 0xff;
    assert!(told(&message)[0].contains("name=\"\u{fffd}pan 1\""));
}
