//! Any bytes after a head that a format claims: the parser cites only bytes that it was given.
//!
//! The first byte chooses the head, so that a mutation need not find a magic number first.
#![no_main]

#[path = "../../bounds.rs"]
mod bounds;

use libfuzzer_sys::fuzz_target;

const HEADS: &[&str] = &[
    "",
    "{\"@timestamp\":\"2026-09-14T10:00:00.000Z\",\"level\":\"INFO\",\"logger_name\":\"a.B\",\"thread_name\":\"main\",\"message\":\"up\"}\n",
    "{\"resourceSpans\":[{\"resource\":{},\"scopeSpans\":[{\"spans\":[",
    "{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"logRecords\":[",
    "2026-09-14 10:00:00.000  INFO 1 --- [main] c.acme.shop.Cart : up\n",
    "2026-09-14T10:00:00.000000000Z stdout F up\n2026-09-14T10:00:00.000000001Z stdout P ",
    "{\"log\":\"up\\n\",\"stream\":\"stdout\",\"time\":\"2026-09-14T10:00:00.000000000Z\"}\n{\"log\":\"",
    "2026-09-14 10:00:00\nFull thread dump OpenJDK 64-Bit Server VM (21.0.4+7-LTS mixed mode, sharing):\n\n\"main\" #1 prio=5 os_prio=0 ",
    "[2026-09-14T10:00:00.000+0000][0.005s][info][gc] Using G1\n[2026-09-14T10:00:01.000+0000][1.005s][info][gc] GC(0) ",
    " num     #instances         #bytes  class name (module)\n-------------------------------------------------------\n   1:  ",
    "time=2026-09-14T10:00:00Z level=info msg=up\ntime=",
    "\n\u{8}\n\u{6}\n\u{4}name",
    "<134>1 2026-09-14T10:00:00Z web-1 orders 7 - [a@1 traceId=\"0cd210263d554afda51dd250ad32d371\"] up\n<134>1 ",
    "Sep 14 10:00:00 web-1 orders[7]: up\nSep 14 10:00:00 web-1 orders[7]: ",
    "2026-09-14 10:00:00.000 UTC [7] shop@orders ERROR:  no\n2026-09-14 10:00:00.000 UTC [7] shop@orders DETAIL:  ",
    "2026-09-14 10:00:00.000 UTC,\"shop\",\"orders\",7,\"\",6b03,3,\"\",2026-09-14 10:00:00 UTC,3/3,7,ERROR,40P01,\"no\",,,,,,,,,\"\",\"x\",,0\n2026-09-14 ",
    "2026-09-14T10:00:00Z\n pid | application_name | state | xact_age | query\n-----+---\n 7 | orders | ",
    "# Time: 2026-09-14T10:00:00Z\n# User@Host: a[a] @ b []  Id: 7\n# Query_time: 1.5  Lock_time: 0.1\nSET timestamp=1;\n",
    "7:M 14 Sep 2026 10:00:00.000 * up\n7:M 14 Sep 2026 10:00:00.000 # ",
    "1) 1) (integer) 14\n   2) (integer) 1795376008\n   3) (integer) 15000\n   4) 1) \"ping\"\n2) 1) ",
    "# Server\r\nredis_version:7.0.15\r\nused_memory:",
    "Sep 14, 2026 10:00:00 AM a.B c\nINFO: up\nSep 14, 2026 10:00:00 AM a.B c\n",
    "<?xml version=\"1.0\"?>\n<log>\n<record>\n<millis>1</millis><sequence>1</sequence><level>INFO</level></record>\n<record>",
    "I0914 10:00:00.000000 7 a.go:1] up\nI0914 10:00:00.000000 7 a.go:1] ",
    "[pid: 7|app: 0|req: 1/1] a () {1 vars in 2 bytes} [Mon Sep 14 10:00:00 2026] GET /x => generated 4 bytes in ",
    "__CURSOR=s=5f\n__REALTIME_TIMESTAMP=1795376223181000\nMESSAGE=up\n\n__CURSOR=",
    "{\"data\":{\"resultType\":\"streams\",\"result\":[{\"stream\":{\"app\":\"a\"},\"values\":[[\"1795376223181000000\",\"up\"],[",
    "{\"hits\":{\"hits\":[{\"_source\":{\"@timestamp\":\"2026-09-14T10:00:00Z\",\"message\":\"up\"}},{",
    "[[{\"trace_id\":7,\"span_id\":8,\"start\":1795376223181000000,\"duration\":9,\"name\":\"a\"},{",
    "{\"id\":\"70de5b6f19ff9a0a\",\"trace_id\":\"1-581cf771-a006649127e371903a2de979\",\"start_time\":1.5,\"name\":\"a\",\"subsegments\":[{",
    "{\"traceId\":\"a\",\"segmentId\":\"s\",\"spanId\":0,\"startTime\":1795376223181}\n{",
    "{\"Timestamp\":\"2026-09-14 10:00:00\",\"TraceId\":\"a\",\"SpanId\":\"b\",\"SpanName\":\"c\"}\n{",
    "a-host 2026-09-14 10:00:00.000 7 INFO up\na-host 2026-09-14 10:00:00.000 7 INFO ",
];

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (choice, size, rest) = input;
    let mut bytes = HEADS[usize::from(choice) % HEADS.len()].as_bytes().to_vec();
    bytes.extend_from_slice(rest);
    if let Some(found) = bounds::recognised(&bytes) {
        bounds::parse(&found, &bytes, usize::MAX / 4);
        bounds::parse(&found, &bytes, usize::from(size));
    }
});
