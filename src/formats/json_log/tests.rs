use super::*;
use crate::formats::lines::LineStream;
use crate::model::source::{Chunk, FileId};
use crate::model::transcript::Transcript;

/// One line of each library, its label, and what is to be read of it.
const LINES: [(&str, &str, &str); 21] = [
    (
        "logstash",
        r#"{"@timestamp":"2026-11-22T20:36:07.043+01:00","@version":"1","message":"say \"hi\"","logger_name":"c.a.Orders","thread_name":"main","level":"INFO","level_value":20000,"traceId":"f707fb9227504c278b5133a5ff46306b","spanId":"f707fb9227504c27","trace_id":"f707fb9227504c278b5133a5ff46306b","orderId":"ord-0","appname":"orders","tags":["A"]}"#,
        r#"time="2026-11-22T19:36:07.043Z" level="INFO" service="orders" logger="c.a.Orders" thread="main" trace="f707fb9227504c278b5133a5ff46306b" span="f707fb9227504c27" message="say \"hi\"" fields="orderId=ord-0;tags=[\"A\"];""#,
    ),
    (
        "ecs",
        r#"{"@timestamp":"2024-07-02T08:49:53Z","log.level":"ERROR","process.pid":7,"process.thread.name":"main","service.name":"orders","log.logger":"c.a.B","message":"no","error.type":"a.E","error.message":"x","error.stack_trace":"a.E: x\n\tat b.C.d(C.java:1)","ecs.version":"8.11"}"#,
        r#"time="2024-07-02T08:49:53Z" level="ERROR" service="orders" logger="c.a.B" thread="main" message="no" stack="a.E: x" stack_lines="2" fields="process.pid=7;error.type=a.E;error.message=x;""#,
    ),
    (
        "ecs",
        r#"{"@timestamp":"2024-07-02T08:49:53Z","log":{"level":"INFO","logger":"c.a.B"},"process":{"pid":7,"thread":{"name":"main"}},"service":{"name":"orders","node":{"name":"n1"}},"message":"yes","trace":{"id":"0af7651916cd43dd8448eb211c80319c"},"span":{"id":"b7ad6b7169203331"},"ecs":{"version":"8.11"}}"#,
        r#"time="2024-07-02T08:49:53Z" level="INFO" service="orders" instance="n1" logger="c.a.B" thread="main" trace="0af7651916cd43dd8448eb211c80319c" span="b7ad6b7169203331" message="yes" fields="process.pid=7;""#,
    ),
    (
        "gelf",
        r#"{"version":"1.1","short_message":"failed","timestamp":1795376223.943,"level":3,"host":"orders","_process_thread_name":"main","_log_logger":"c.a.B","_traceId":"0af7651916cd43dd8448eb211c80319c","full_message":"failed\n\njava.lang.RuntimeException: x\n\tat A.b(A.java:1)\n"}"#,
        r#"time="2026-11-22T19:37:03.943Z" level="ERROR" service="orders" instance="orders" logger="c.a.B" thread="main" trace="0af7651916cd43dd8448eb211c80319c" message="failed" stack="java.lang.RuntimeException: x" stack_lines="2" fields="version=1.1;""#,
    ),
    (
        "log4j2",
        r#"{"instant":{"epochSecond":1795376223,"nanoOfSecond":181165068},"thread":"main","level":"WARN","loggerName":"c.a.B","message":"m","thrown":{"commonElementCount":0,"message":"x","name":"a.E","extendedStackTrace":[{"class":"A","method":"b","file":"A.java","line":4}]},"endOfBatch":false,"loggerFqcn":"o.a.l","contextMap":[{"key":"orderId","value":"7"},{"key":"traceId","value":"0af7651916cd43dd8448eb211c80319c"}],"threadPriority":5}"#,
        r#"time="2026-11-22T19:37:03.181165068Z" level="WARN" logger="c.a.B" thread="main" trace="0af7651916cd43dd8448eb211c80319c" message="m" stack="a.E: x" stack_lines="2" fields="contextMap.orderId=7;""#,
    ),
    (
        "log4j2",
        r#"{"timeMillis":1795376223181,"thread":"main","level":"FATAL","loggerName":"c.a.B","message":"m","endOfBatch":false,"contextMap":{"traceId":"0af7651916cd43dd8448eb211c80319c"}}"#,
        r#"time="2026-11-22T19:37:03.181Z" level="FATAL" logger="c.a.B" thread="main" trace="0af7651916cd43dd8448eb211c80319c" message="m""#,
    ),
    (
        "logback",
        r#"{"sequenceNumber":0,"timestamp":1795376223181,"nanoseconds":181165068,"level":"INFO","threadName":"main","loggerName":"c.a.B","context":{"name":"default","birthdate":1795376220000,"properties":{"application":"orders"}},"mdc":{"traceId":"0af7651916cd43dd8448eb211c80319c"},"kvpList":[{"orderId":"7"}],"message":"took {} of {} {}","arguments":["a\"b",12],"throwable":null}"#,
        r#"time="2026-11-22T19:37:03.181165068Z" level="INFO" service="orders" logger="c.a.B" thread="main" trace="0af7651916cd43dd8448eb211c80319c" message="took a\"b of 12 {}" fields="context.name=default;context.birthdate=1795376220000;kvpList.orderId=7;""#,
    ),
    (
        "python",
        r#"{"asctime": "2026-11-22 19:38:32,416", "levelname": "WARNING", "name": "shop.x", "message": "m", "exc_info": "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'k'", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "order_id": 42}"#,
        r#"time="2026-11-22T19:38:32.416Z" level="WARN" logger="shop.x" trace="4bf92f3577b34da6a3ce929d0e0e4736" message="m" stack="KeyError: 'k'" stack_lines="4" fields="order_id=42;""#,
    ),
    (
        "structlog",
        r#"{"duration_ms": 12.5, "event": "created", "level": "info", "timestamp": "2026-11-22T19:38:32.424121Z"}"#,
        r#"time="2026-11-22T19:38:32.424121Z" level="INFO" message="created" fields="duration_ms=12.5;""#,
    ),
    (
        "loguru",
        r#"{"text": "2026 | ERROR | m\nTraceback (most recent call last):\n  x\nE: y\n", "record": {"exception": {"type": "E", "value": "y", "traceback": true}, "extra": {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}, "level": {"icon": "x", "name": "ERROR", "no": 40}, "message": "m", "name": "__main__", "thread": {"name": "MainThread"}, "time": {"repr": "2026-11-22 19:38:32.498237+00:00", "timestamp": 1795376312.498237}}}"#,
        r#"time="2026-11-22T19:38:32.498237Z" level="ERROR" logger="__main__" thread="MainThread" trace="4bf92f3577b34da6a3ce929d0e0e4736" message="m" stack="E: y" stack_lines="4""#,
    ),
    (
        "pino",
        r#"{"level":30,"time":1795376313582,"pid":25967,"hostname":"vm","req":{"method":"POST"},"responseTime":1203,"msg":"done"}"#,
        r#"time="2026-11-22T19:38:33.582Z" level="INFO" instance="vm" message="done" fields="pid=25967;req.method=POST;responseTime=1203;""#,
    ),
    (
        "bunyan",
        r#"{"name":"payment","hostname":"vm","pid":7,"level":60,"err":{"message":"x","name":"Error","stack":"Error: x\n    at a (b.js:1:2)"},"msg":"m","time":"2026-11-22T19:38:33.662Z","v":0}"#,
        r#"time="2026-11-22T19:38:33.662Z" level="FATAL" service="payment" instance="vm" message="m" stack="Error: x" stack_lines="2" fields="pid=7;err.message=x;err.name=Error;v=0;""#,
    ),
    (
        "winston",
        r#"{"attempt":2,"level":"warn","message":"retry","service":"payment"}"#,
        r#"level="WARN" service="payment" message="retry" fields="attempt=2;""#,
    ),
    (
        "zap",
        r#"{"level":"info","ts":1761019822.3152757,"logger":"admin","caller":"admin.go:7","msg":"m","origins":["//[::1]:2019"]}"#,
        r#"time="2025-10-21T04:10:22.315275700Z" level="INFO" logger="admin" message="m" fields="caller=admin.go:7;origins=[\"//[::1]:2019\"];""#,
    ),
    (
        "zerolog",
        r#"{"level":"error","error":"no route","time":1795376223,"message":"m"}"#,
        r#"time="2026-11-22T19:37:03Z" level="ERROR" message="m" fields="error=no route;""#,
    ),
    (
        "slog",
        r#"{"time":"2026-11-22T19:36:07.043123456Z","level":"ERROR+4","msg":"m","g":{"k":{"n":-1}}}"#,
        r#"time="2026-11-22T19:36:07.043123456Z" level="ERROR" message="m" fields="g.k.n=-1;""#,
    ),
    (
        "tracing",
        r#"{"timestamp":"2025-10-28T19:15:10.821422Z","level":"INFO","fields":{"message":"shaving","yaks":3},"target":"a::b","spans":[{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","name":"s"}],"threadName":"main"}"#,
        r#"time="2025-10-28T19:15:10.821422Z" level="INFO" logger="a::b" thread="main" trace="4bf92f3577b34da6a3ce929d0e0e4736" message="shaving" fields="fields.yaks=3;spans.name=s;""#,
    ),
    (
        "clef",
        r#"{"@t":"2026-11-22T19:36:07.0431234Z","@mt":"Order {Id} by {@User} {Missing}","@l":"Warning","@tr":"4bf92f3577b34da6a3ce929d0e0e4736","@sp":"00f067aa0ba902b7","Id":7,"User":"ann","SourceContext":"A.B"}"#,
        r#"time="2026-11-22T19:36:07.043123400Z" level="WARN" logger="A.B" trace="4bf92f3577b34da6a3ce929d0e0e4736" span="00f067aa0ba902b7" message="Order 7 by ann {Missing}" fields="Id=7;User=ann;""#,
    ),
    (
        "postgres",
        r#"{"timestamp":"2026-11-22 19:34:39.283 UTC","user":"shop","pid":16406,"error_severity":"ERROR","state_code":"40P01","message":"deadlock detected","backend_type":"client backend"}"#,
        r#"time="2026-11-22T19:34:39.283Z" level="ERROR" message="deadlock detected" fields="user=shop;pid=16406;state_code=40P01;backend_type=client backend;""#,
    ),
    (
        "journald",
        r#"{ "__REALTIME_TIMESTAMP" : "1534860261221373", "PRIORITY" : "3", "_HOSTNAME" : "h1", "SYSLOG_IDENTIFIER" : "python", "MESSAGE" : "m" }"#,
        r#"time="2018-08-21T14:04:21.221373Z" level="ERROR" service="python" instance="h1" message="m""#,
    ),
    (
        "generic",
        r#"{"ts": "2013-09-06T20:00:48.124817Z", "@fields": { "lvl": "TRACE", "msg": "trace test"}}"#,
        r#"time="2013-09-06T20:00:48.124817Z" level="TRACE" message="trace test""#,
    ),
];

fn chunk<'a>(bytes: &'a [u8], hints: &'a Hints) -> Chunk<'a> {
    Chunk { file: FileId(0), base: 0, bytes, hints }
}

fn lines(text: &str) -> Transcript {
    let mut transcript = Transcript::default();
    let stream = LineStream::new(Box::new(JsonLines { strict: false, prefixed: true }));
    stream.parse(&chunk(text.as_bytes(), &Hints::default()), &mut transcript);
    transcript
}

fn label(text: &str) -> Option<String> {
    sniff(&Head { path: "x", bytes: text.as_bytes(), whole: true }).map(|found| found.label)
}

#[test]
fn every_library() {
    for (layout, line, want) in LINES {
        let got = lines(line).text;
        assert_eq!(got, format!("log @0+{} {want}\n", line.len()), "{line}");
        assert_eq!(label(line), Some(format!("json-log/{layout}")), "{line}");
    }
}

#[test]
fn json_in_the_message_is_believed_less() {
    let got = lines(
        r#"{"level":"INFO","message":"{\"level\":\"ERROR\",\"event\":\"nested\",\"traceId\":\"f707fb9227504c278b5133a5ff46306b\",\"n\":{\"m\":[1]}}","time":"2026-11-22T19:36:07Z"}"#,
    );
    assert!(
        got.text.contains(r#"level="INFO" trace="f707fb9227504c278b5133a5ff46306b" message="nested" fields="level=ERROR;n.m=[1];""#),
        "{}",
        got.text
    );
}

#[test]
fn a_shippers_record_gives_way_to_the_applications() {
    let got = lines(
        r#"{"time":"2026-11-22T19:36:09Z","stream":"stdout","kubernetes":{"pod_name":"orders-1","labels":{"app":"orders"}},"log":"{\"level\":\"warn\",\"time\":\"2026-11-22T19:36:07Z\",\"msg\":\"late\"}\n"}"#,
    );
    let want = r#"time="2026-11-22T19:36:07Z" level="WARN" service="orders" instance="orders-1" message="late" fields="stream=stdout;time=2026-11-22T19:36:09Z;""#;
    assert!(got.text.contains(want), "{}", got.text);
}

#[test]
fn text_before_the_object() {
    let got = lines("INFO {\"ts\":1761019822.5,\"msg\":\"m\"}\n");
    assert!(got.text.contains(r#"time="2025-10-21T04:10:22.500Z" level="INFO" message="m" fields="prefix=INFO;""#), "{}", got.text);
}

#[test]
fn values_that_do_not_fit_their_key_are_fields() {
    let got = lines(r#"{"level":"gold","time":35,"trace":"abc","stack":"prod","service":7,"severity":3,"msg":"m"}"#);
    let want = r#"message="m" fields="level=gold;time=35;trace=abc;stack=prod;service=7;severity=3;""#;
    assert!(got.text.contains(want), "{}", got.text);
    assert!(!got.text.contains("time=\""), "{}", got.text);
}

#[test]
fn a_gateway_names_the_service_behind_it() {
    let kong = r#"{"service":{"name":"billing","host":"billing.int"},"request":{"method":"GET","uri":"/b"},"response":{"status":200},"latencies":{"kong":1,"proxy":30,"request":31},"started_at":1433209822425}"#;
    let got = lines(kong);
    assert!(got.text.contains("upstream_service=billing;") && !got.text.contains(" service="), "{}", got.text);
    let got = lines(r#"{"level":"info","ServiceName":"billing@docker","RequestMethod":"GET","msg":"","time":"2026-11-22T19:36:07Z"}"#);
    assert!(got.text.contains("fields=\"ServiceName=billing@docker;RequestMethod=GET;\"") && !got.text.contains("service="), "{}", got.text);
}

#[test]
fn several_objects_on_one_line() {
    let line = r#"{"level":"INFO","msg":"a"}{"level":"WARN","msg":"b"}, {"level":"#;
    let got = lines(line);
    assert_eq!(got.text, "log @0+26 level=\"INFO\" message=\"a\"\nlog @26+26 level=\"WARN\" message=\"b\"\nquarantine @54+9 truncated\n");
}

#[test]
fn deep_objects_stay_text() {
    let got = lines(r#"{"msg":"m","a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}}}"#);
    assert!(got.text.contains(r#"fields="a.b.c.d.e.f.g={\"h\":1};""#), "{}", got.text);
    assert_eq!(lines(&format!("{{\"a\":{}", "[".repeat(5000))).text, "quarantine @0+5005 too-long\n");
}

#[test]
fn other_json_is_not_claimed() {
    for text in [
        r#"{"resourceSpans":[{"resource":{}}]}"#,
        r#"{"resourceLogs":[],"timestamp":"2026-11-22T19:36:07Z","message":"m"}"#,
        r#"[{"traceId":"0af7651916cd43dd","id":"b7ad6b7169203331","name":"get","timestamp":1795376223181000,"duration":7,"localEndpoint":{"serviceName":"a"}}]"#,
        r#"{"data":[{"traceID":"a","spans":[],"processes":{}}]}"#,
        r#"{"threadDump":{"time":"2026-11-22T19:36:07Z"}}"#,
        r#"{"kind":"List","apiVersion":"v1","items":[]}"#,
        r#"{"kind":"Event","apiVersion":"v1","message":"m","eventTime":"2026-11-22T19:36:07Z"}"#,
        "{}",
        "{\"a\":1}",
        "{not json}",
        "",
        "plain text { with a brace",
    ] {
        assert_eq!(label(text), None, "{text}");
    }
}

#[test]
fn between_the_lines_of_another_format_only_logs_are_taken() {
    let embedded = JsonLines::embedded();
    assert!(embedded.starts(br#"{"level":"info","msg":"m"}"#, b""));
    for line in [&br#"{"a":1}"#[..], br#"{"level":"info","msg":"m"#, b"{", br#"x {"level":"info","msg":"m"}"#, b"{ int x; }"] {
        assert!(!embedded.starts(line, b""), "{}", line.escape_ascii());
    }
}

#[test]
fn a_pretty_array_that_a_crash_cut() {
    let text = "[\n{\n  \"level\" : \"INFO\",\n  \"message\" : \"a\"\n}\n, {\n  \"level\" : INFO\n}\n, {\n  \"level\" : \"WARN\",\n  \"message\" : \"c\"\n}\n, {\n  \"level\" : \"ERR";
    let found = sniff(&Head { path: "x", bytes: text.as_bytes(), whole: true }).expect("a document");
    let mut got = Transcript::default();
    found.parser.parse(&chunk(text.as_bytes(), &Hints::default()), &mut got);
    assert_eq!((got.records, got.quarantined), (2, 2), "{}", got.text);
    assert!(got.text.starts_with("log @2+41 level=\"INFO\" message=\"a\"\nquarantine @46+20 malformed\nlog "), "{}", got.text);
    assert!(got.text.ends_with(" truncated\n"), "{}", got.text);
}

#[test]
fn bytes_that_are_not_utf8_do_not_move_the_evidence() {
    let mut bytes = b"[\n{\"level\":\"INFO\",\"message\":\"caf\xe9\"},\n{\"level\":\"WARN\",\"message\":\"b\"}\n]".to_vec();
    let mut got = Transcript::default();
    document::parse(&chunk(&bytes, &Hints::default()), &mut got);
    assert!(got.text.contains("log @37+30 level=\"WARN\""), "{}", got.text);
    bytes.truncate(20);
    document::parse(&chunk(&bytes, &Hints::default()), &mut got);
    assert_eq!(got.quarantined, 1, "{}", got.text);
}

/// Checks that all evidence lies within the bytes.
struct Within(u64);

impl Within {
    fn check(&self, evidence: Evidence) {
        assert!(evidence.start + u64::from(evidence.len) <= self.0, "{evidence:?} of {}", self.0);
    }
}

impl Sink for Within {
    fn log(&mut self, record: &LogRecord<'_>) {
        self.check(record.evidence);
    }
    fn span(&mut self, _: &SpanRecord<'_>) {}
    fn metric(&mut self, _: &MetricRecord<'_>) {}
    fn thread_dump(&mut self, _: &ThreadDump<'_>) {}
    fn gc(&mut self, _: &GcRecord<'_>) {}
    fn class_histogram(&mut self, _: &ClassHistogram<'_>) {}
    fn event(&mut self, _: &EventRecord<'_>) {}
    fn setting(&mut self, _: &SettingRecord<'_>) {}
    fn quarantine(&mut self, evidence: Evidence, _: Reason) {
        self.check(evidence);
    }
}

#[test]
fn cut_and_broken_lines_are_contained() {
    let stream = LineStream::new(Box::new(JsonLines { strict: false, prefixed: true }));
    let hints = Hints::default();
    let read = |bytes: &[u8]| {
        let mut within = Within(bytes.len() as u64);
        stream.parse(&chunk(bytes, &hints), &mut within);
        document::parse(&chunk(bytes, &hints), &mut within);
        let _ = sniff(&Head { path: "x", bytes, whole: true });
    };
    for (_, line, _) in LINES {
        for at in 0..line.len() {
            read(&line.as_bytes()[..at]);
            for byte in [b'"', b'\\', b'{', b']', b'\n', 0xc3, 0] {
                let mut bytes = line.as_bytes().to_vec();
                bytes[at] = byte;
                read(&bytes);
            }
        }
    }
}

#[test]
fn a_cut_line_is_quarantined_as_such() {
    let line = LINES[0].1;
    for at in 2..line.len() {
        assert_eq!(lines(&line[..at]).text, format!("quarantine @0+{at} truncated\n"));
    }
}
