//! Synthetic samples, after the stores' documentation: no real one is at hand.

use super::FORMAT;
use crate::formats::fixture::told;

fn spans(text: &str) -> String {
    told(FORMAT, text).split_inclusive(' ').filter(|word| !word.starts_with('@')).collect()
}

#[test]
fn datadog() {
    let got = spans(
        "[[{\"trace_id\":11532183391237187073,\"span_id\":9,\"parent_id\":0,\"name\":\"servlet.request\",\"resource\":\"GET /x\",\"service\":\"orders\",\"start\":1795376223181000000,\"duration\":93577,\"error\":1,\
         \"meta\":{\"span.kind\":\"server\",\"_dd.p.tid\":\"66a0\",\"error.type\":\"a.B\",\"error.message\":\"no\"},\"metrics\":{\"n\":1}},\
         {\"trace_id\":\"7\",\"span_id\":\"10\",\"parent_id\":\"9\",\"name\":\"jdbc\",\"service\":\"db\",\"start\":1795376223181000100,\"duration\":7}]]",
    );
    assert_eq!(
        got,
        "span-export/datadog\n\
         span trace=\"00000000000066a0a00b0d7a3e0fb201\" id=\"0000000000000009\" service=\"orders\" name=\"GET /x\" kind=\"Server\" start=\"2026-11-22T19:37:03.181Z\" nanos=\"93577\" status=\"Error\" status_message=\"no\" attributes=\"span.kind=server;_dd.p.tid=66a0;error.type=a.B;error.message=no;n=1;operation.name=servlet.request;\" events=\"exception 2026-11-22T19:37:03.181Z exception.type=a.B;exception.message=no;;\"\n\
         span trace=\"00000000000000000000000000000007\" id=\"000000000000000a\" parent=\"0000000000000009\" service=\"db\" name=\"jdbc\" kind=\"Unspecified\" start=\"2026-11-22T19:37:03.181000100Z\" nanos=\"7\" status=\"Unset\"\n"
            .replace("a00b0d7a3e0fb201", &format!("{:016x}", 11_532_183_391_237_187_073_u64))
    );
}

#[test]
fn xray() {
    let segment = "{\"id\":\"70de5b6f19ff9a0a\",\"subsegments\":[{\"id\":\"53995c3f42cd8ad8\",\"name\":\"api.example.com\",\"namespace\":\"remote\",\"start_time\":1478293361.3,\"end_time\":1478293361.4,\"fault\":true,\"cause\":{\"exceptions\":[{\"type\":\"a.B\",\"message\":\"no\"}]}}],\"trace_id\":\"1-581cf771-a006649127e371903a2de979\",\"name\":\"orders\",\"start_time\":1478293361.271,\"end_time\":1.478293361449E9,\"http\":{\"request\":{\"method\":\"GET\",\"url\":\"http://x/y\"},\"response\":{\"status\":500}}}";
    let want = "span trace=\"581cf771a006649127e371903a2de979\" id=\"70de5b6f19ff9a0a\" service=\"orders\" name=\"orders\" kind=\"Server\" start=\"2016-11-04T21:02:41.271Z\" nanos=\"178000000\" status=\"Unset\" attributes=\"http.request.method=GET;url.full=http://x/y;http.response.status_code=500;\"\n\
                span trace=\"581cf771a006649127e371903a2de979\" id=\"53995c3f42cd8ad8\" parent=\"70de5b6f19ff9a0a\" service=\"orders\" name=\"api.example.com\" kind=\"Client\" start=\"2016-11-04T21:02:41.300Z\" nanos=\"100000000\" status=\"Error\" status_message=\"no\" attributes=\"peer.service=api.example.com;\" events=\"exception 2016-11-04T21:02:41.300Z exception.type=a.B;exception.message=no;;\"\n";
    assert_eq!(spans(segment), format!("span-export/xray\n{want}"));
    let document = serde_json::json!({"Traces": [{"Id": "1-58", "Segments": [{"Id": "70de5b6f19ff9a0a", "Document": segment}]}]}).to_string();
    assert_eq!(spans(&document), format!("span-export/xray\n{want}"));
}

#[test]
fn skywalking() {
    let got = spans(
        "{\"data\":{\"trace\":{\"spans\":[{\"traceId\":\"f1.62.16\",\"segmentId\":\"s1\",\"spanId\":0,\"parentSpanId\":-1,\"refs\":[],\"serviceCode\":\"orders\",\"startTime\":1795376223181,\"endTime\":1795376223274,\"endpointName\":\"/orders\",\"type\":\"Entry\",\"isError\":true,\"tags\":[{\"key\":\"http.status_code\",\"value\":\"500\"}],\"logs\":[]},\
         {\"traceId\":\"f1.62.16\",\"segmentId\":\"s2\",\"spanId\":0,\"parentSpanId\":-1,\"refs\":[{\"traceId\":\"f1.62.16\",\"parentSegmentId\":\"s1\",\"parentSpanId\":0,\"type\":\"CROSS_PROCESS\"}],\"serviceCode\":\"stock\",\"startTime\":1795376223190,\"endTime\":1795376223200,\"endpointName\":\"/stock\",\"type\":\"Entry\",\"isError\":false}]}}}",
    );
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "span-export/skywalking"), "{got}");
    let word = |line: &str, key: &str| line.split(' ').find_map(|word| word.strip_prefix(key).map(str::to_owned)).unwrap_or_default();
    assert_eq!(word(lines[1], "trace="), word(lines[2], "trace="));
    assert_eq!(word(lines[1], "id="), word(lines[2], "parent="));
    assert!(lines[1].contains("service=\"orders\" name=\"/orders\" kind=\"Server\" start=\"2026-11-22T19:37:03.181Z\" nanos=\"93000000\" status=\"Error\" attributes=\"http.status_code=500;\""), "{got}");
}

#[test]
fn clickhouse() {
    let row = "{\"Timestamp\":\"2026-11-22 19:37:03.181000000\",\"TraceId\":\"581cf771a006649127e371903a2de979\",\"SpanId\":\"70de5b6f19ff9a0a\",\"ParentSpanId\":\"\",\"SpanName\":\"GET /x\",\"SpanKind\":\"SPAN_KIND_SERVER\",\"ServiceName\":\"orders\",\"ResourceAttributes\":{\"k8s.pod.name\":\"orders-1\"},\"SpanAttributes\":{\"a\":\"b\"},\"Duration\":\"93577\",\"StatusCode\":\"Error\",\"StatusMessage\":\"no\",\"Events.Attributes\":[{\"exception.type\":\"a.B\"}]}\n";
    let want = "span trace=\"581cf771a006649127e371903a2de979\" id=\"70de5b6f19ff9a0a\" service=\"orders\" instance=\"orders-1\" name=\"GET /x\" kind=\"Server\" start=\"2026-11-22T19:37:03.181Z\" nanos=\"93577\" status=\"Error\" status_message=\"no\" attributes=\"a=b;\" resource=\"k8s.pod.name=orders-1;\" events=\"exception 2026-11-22T19:37:03.181Z exception.type=a.B;;\"\n";
    assert_eq!(spans(&row.repeat(2)), format!("span-export/clickhouse\n{want}{want}"));
    assert_eq!(spans(&format!("{{\"meta\":[],\"data\":[{}],\"rows\":1}}", row.trim_end())), format!("span-export/clickhouse\n{want}"));
}

#[test]
fn look_alikes_are_left_alone() {
    for text in [
        "[{\"traceId\":\"0562809467078eab\",\"id\":\"0562809467078eab\",\"timestamp\":1,\"duration\":2}]",
        "{\"data\":[{\"traceID\":\"a\",\"spans\":[]}]}",
        "{\"Timestamp\":\"2026-11-22 19:37:03\",\"TraceId\":\"\",\"SpanId\":\"\",\"Body\":\"up\"}\n",
        "{\"trace_id\":\"a\",\"span_id\":\"b\",\"msg\":\"start duration\"}\n",
    ] {
        assert_eq!(told(FORMAT, text), "none", "{text}");
    }
}

#[test]
fn consoles() {
    let python = "{\n    \"name\": \"POST /rooms\",\n    \"context\": {\n        \"trace_id\": \"0x1fed70db105b068ca994992736ba1e3b\",\n        \"span_id\": \"0xe5883364f5bc0e04\",\n        \"trace_state\": \"[]\"\n    },\n    \"kind\": \"SpanKind.SERVER\",\n    \"parent_id\": null,\n    \"start_time\": \"2026-11-26T19:21:24.684042Z\",\n    \"end_time\": \"2026-11-26T19:21:24.717640Z\",\n    \"status\": {\n        \"status_code\": \"ERROR\",\n        \"description\": \"no\"\n    },\n    \"attributes\": {\n        \"http.status_code\": 500\n    },\n    \"events\": [\n        {\"name\": \"exception\", \"timestamp\": \"2026-11-26T19:21:24.7Z\", \"attributes\": {\"exception.type\": \"a.B\"}}\n    ],\n    \"links\": [],\n    \"resource\": {\n        \"attributes\": {\n            \"service.name\": \"hotels\"\n        },\n        \"schema_url\": \"\"\n    }\n}\n";
    let want = "span trace=\"1fed70db105b068ca994992736ba1e3b\" id=\"e5883364f5bc0e04\" service=\"hotels\" name=\"POST /rooms\" kind=\"Server\" start=\"2026-11-26T19:21:24.684042Z\" nanos=\"33598000\" status=\"Error\" status_message=\"no\" attributes=\"http.status_code=500;\" resource=\"service.name=hotels;\" events=\"exception 2026-11-26T19:21:24.700Z exception.type=a.B;;\"\n";
    assert_eq!(spans(&format!("{python}{python}")), format!("span-export/python-console\n{want}{want}"));
    let go = "{\"Name\":\"GET /x\",\"SpanContext\":{\"TraceID\":\"1fed70db105b068ca994992736ba1e3b\",\"SpanID\":\"e5883364f5bc0e04\",\"TraceFlags\":\"01\"},\"Parent\":{\"TraceID\":\"1fed70db105b068ca994992736ba1e3b\",\"SpanID\":\"00000000000000a1\"},\"SpanKind\":3,\"StartTime\":\"2026-11-26T19:21:24.684042Z\",\"EndTime\":\"2026-11-26T19:21:24.684043Z\",\"Attributes\":[{\"Key\":\"http.method\",\"Value\":{\"Type\":\"STRING\",\"Value\":\"GET\"}}],\"Events\":null,\"Status\":{\"Code\":\"Unset\",\"Description\":\"\"},\"Resource\":[{\"Key\":\"service.name\",\"Value\":{\"Type\":\"STRING\",\"Value\":\"stock\"}}]}\n";
    let want = "span trace=\"1fed70db105b068ca994992736ba1e3b\" id=\"e5883364f5bc0e04\" parent=\"00000000000000a1\" service=\"stock\" name=\"GET /x\" kind=\"Client\" start=\"2026-11-26T19:21:24.684042Z\" nanos=\"1000\" status=\"Unset\" attributes=\"http.method=GET;\" resource=\"service.name=stock;\"\n";
    assert_eq!(spans(go), format!("span-export/go-stdout\n{want}"));
}
