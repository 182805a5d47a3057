//! Lines of every server.

use super::*;
use crate::formats::lines::LineStream;
use crate::model::source::{Chunk, FileId, Hints};
use crate::model::transcript::Transcript;

fn parse(format: AccessLog, text: &str) -> Transcript {
    let mut transcript = Transcript::default();
    let chunk = Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &Hints::default() };
    LineStream::new(Box::new(format)).parse(&chunk, &mut transcript);
    transcript
}

/// Label, and what is said of each line after its evidence.
fn file(text: &str) -> (String, Vec<String>) {
    let found = sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).expect("recognised");
    let mut got = Transcript::default();
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &Hints::default() }, &mut got);
    assert_eq!(got.quarantined, 0, "{}", got.text);
    (found.label, got.text.lines().map(|line| line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()).collect())
}

fn check(text: &str, label: &str, want: &[&str]) {
    let (found, lines) = file(text);
    assert_eq!(found, label);
    assert_eq!(lines, want);
}

#[test]
fn nginx_with_upstreams() {
    check(
        concat!(
            r#"127.0.0.1 - bob [22/Nov/2026:19:33:33 +0000] "GET /api/orders?id=1&q=\x22x\x22 HTTP/1.1" 200 11 "-" "Mozilla/5.0 \x22q\x22" "10.1.1.1, 10.1.1.2" rt=0.051 uct="-, 0.000" uht="-, 0.001" urt="0.010, 0.041" us="502, 200" ua="127.0.0.1:58082, 127.0.0.1:58081" traceparent="00-f6095dd8814b0b602329e1fc056c5e83-11e1cef34d972735-01" rid=3fb94841c476f57375a4e81b9226c2b2"#,
            "\n",
            r#"127.0.0.1 - - [22/Nov/2026:19:33:34 +0000] "POST /api/payments HTTP/1.1" 502 157 "https://shop/cart" "curl/7.88.1" "-" rt=1.002 uct="-" uht="-" urt="0.000" us="502" ua="app" traceparent="-" rid=77cb5cf8a6f023877cca571fe6a5cfb2"#,
            "\n",
            r#"127.0.0.1 - - [22/Nov/2026:19:33:37 +0000] "\x16\x03\x01\x00" 400 157 "-" "-" "-" rt=0.000 uct="-" uht="-" urt="-" us="-" ua="-" traceparent="-" rid=fe58993350dc6563acc20a589746985c"#,
            "\n",
            r#"127.0.0.1 - - [22/Nov/2026:19:46:47 +0000] "GET /a HTTP/1.1" 200 12 "-" "okhttp/4.12.0" rt=0.051 uct=0.001 urt=0.051 ua="127.0.0.1:18311" us="200" tp="00-1db344e8c8e60507bdf81cb696c697fc-b25830697914dd2e-01""#,
            "\n"
        ),
        "access-log/nginx",
        &[
            r#"time="2026-11-22T19:33:33Z" level="INFO" trace="f6095dd8814b0b602329e1fc056c5e83" span="11e1cef34d972735" message="GET /api/orders 200" fields="http.request.method=GET;url.path=/api/orders;url.query=id=1&q=\\x22x\\x22;http.response.status_code=200;client.address=127.0.0.1;user.name=bob;bytes=11;user_agent.original=Mozilla/5.0 \\x22q\\x22;http.request.header.x-forwarded-for=10.1.1.1, 10.1.1.2;duration_ms=51.0;uct=-, 0.000;uht=-, 0.001;upstream_duration_ms=51.0;upstream_status=502, 200;upstream_address=127.0.0.1:58082, 127.0.0.1:58081;upstream_attempts=2;request_id=3fb94841c476f57375a4e81b9226c2b2;""#,
            r#"time="2026-11-22T19:33:34Z" level="ERROR" message="POST /api/payments 502" fields="http.request.method=POST;url.path=/api/payments;http.response.status_code=502;client.address=127.0.0.1;bytes=157;http.request.header.referer=https://shop/cart;user_agent.original=curl/7.88.1;duration_ms=1002.0;upstream_duration_ms=0.0;upstream_status=502;upstream_address=app;upstream_attempts=0;request_id=77cb5cf8a6f023877cca571fe6a5cfb2;""#,
            r#"time="2026-11-22T19:33:37Z" level="INFO" message="malformed request 400" fields="http.request.line=\\x16\\x03\\x01\\x00;http.response.status_code=400;client.address=127.0.0.1;bytes=157;duration_ms=0.0;request_id=fe58993350dc6563acc20a589746985c;""#,
            r#"time="2026-11-22T19:46:47Z" level="INFO" trace="1db344e8c8e60507bdf81cb696c697fc" span="b25830697914dd2e" message="GET /a 200" fields="http.request.method=GET;url.path=/a;http.response.status_code=200;client.address=127.0.0.1;bytes=12;user_agent.original=okhttp/4.12.0;duration_ms=51.0;uct=0.001;upstream_duration_ms=51.0;upstream_address=127.0.0.1:18311;upstream_attempts=1;upstream_status=200;""#,
        ],
    );
}

#[test]
fn ingress_nginx() {
    check(
        concat!(
            r#"192.168.0.1 - - [22/Nov/2026:19:33:33 +0000] "GET /api HTTP/2.0" 200 12 "-" "curl/8" 480 0.051 [shop-web-80] [] 10.0.0.1:8080, 10.0.0.2:8080 0, 12 0.010, 0.040 502, 200 4b827398d1ae8a7dfabd3df9e6a405da"#,
            "\n",
            r#"192.168.0.1 - - [22/Nov/2026:19:33:34 +0000] "GET /api HTTP/2.0" 499 0 "-" "curl/8" 480 0.500 [shop-web-80] [] 10.0.0.1:8080 0 0.500 - 5b827398d1ae8a7dfabd3df9e6a405da"#,
            "\n"
        ),
        "access-log/nginx",
        &[
            r#"time="2026-11-22T19:33:33Z" level="INFO" message="GET /api 200" fields="http.request.method=GET;url.path=/api;http.response.status_code=200;client.address=192.168.0.1;bytes=12;user_agent.original=curl/8;duration_ms=51.0;upstream_name=shop-web-80;upstream_address=10.0.0.1:8080, 10.0.0.2:8080;upstream_attempts=2;upstream_duration_ms=50.0;upstream_status=502, 200;request_id=4b827398d1ae8a7dfabd3df9e6a405da;""#,
            r#"time="2026-11-22T19:33:34Z" level="INFO" message="GET /api 499" fields="http.request.method=GET;url.path=/api;http.response.status_code=499;client.address=192.168.0.1;bytes=0;user_agent.original=curl/8;duration_ms=500.0;upstream_name=shop-web-80;upstream_address=10.0.0.1:8080;upstream_attempts=1;upstream_duration_ms=500.0;request_id=5b827398d1ae8a7dfabd3df9e6a405da;""#,
        ],
    );
}

#[test]
fn apache_with_microseconds() {
    check(
        concat!(
            r#"127.0.0.1 - - [22/Nov/2026:19:35:53 +0000] "GET /api/x HTTP/1.1" 502 544 "http://r/" "curl/7.88.1" 1001558 awNEGegR6NEwdGeUIQ-cAwAAAAI 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"#,
            "\n",
            r#"127.0.0.1 - - [22/Nov/2026:19:35:54 +0000] "GET /index.html?q=\"a\" HTTP/1.1" 200 203 "http://r/" "curl/7.88.1" 157 awNEGgvYofRiBGptnMdfnwAAAII 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"#,
            "\n",
            r#"127.0.0.1 - - [22/Nov/2026:19:35:54 +0000] "BAD" 400 448 "-" "-" 58 - -"#,
            "\n"
        ),
        "access-log/apache",
        &[
            r#"time="2026-11-22T19:35:53Z" level="ERROR" trace="0af7651916cd43dd8448eb211c80319c" span="b7ad6b7169203331" message="GET /api/x 502" fields="http.request.method=GET;url.path=/api/x;http.response.status_code=502;client.address=127.0.0.1;bytes=544;http.request.header.referer=http://r/;user_agent.original=curl/7.88.1;duration_ms=1001.558;request_id=awNEGegR6NEwdGeUIQ-cAwAAAAI;""#,
            r#"time="2026-11-22T19:35:54Z" level="INFO" trace="0af7651916cd43dd8448eb211c80319c" span="b7ad6b7169203331" message="GET /index.html 200" fields="http.request.method=GET;url.path=/index.html;url.query=q=\\\"a\\\";http.response.status_code=200;client.address=127.0.0.1;bytes=203;http.request.header.referer=http://r/;user_agent.original=curl/7.88.1;duration_ms=0.157;request_id=awNEGgvYofRiBGptnMdfnwAAAII;""#,
            r#"time="2026-11-22T19:35:54Z" level="INFO" message="malformed request 400" fields="http.request.line=BAD;http.response.status_code=400;client.address=127.0.0.1;bytes=448;duration_ms=0.058;""#,
        ],
    );
}

#[test]
fn common_with_host_and_python() {
    check(
        "shop.local:80 127.0.0.1 - - [22/Nov/2026:19:35:53 +0100] \"GET / HTTP/1.1\" 404 -\n127.0.0.1 - - [22/Nov/2026 19:35:54] \"GET / HTTP/1.1\" 200 -\n",
        "access-log/common",
        &[
            r#"time="2026-11-22T18:35:53Z" level="INFO" message="GET / 404" fields="http.request.method=GET;url.path=/;http.response.status_code=404;client.address=127.0.0.1;server.address=shop.local:80;""#,
            r#"time="2026-11-22T19:35:54Z" level="INFO" message="GET / 200" fields="http.request.method=GET;url.path=/;http.response.status_code=200;client.address=127.0.0.1;""#,
        ],
    );
}

#[test]
fn tomcat_with_threads() {
    check(
        concat!(
            r#"2026-11-22T19:37:13.829Z 127.0.0.1 "GET /orders?x=1 HTTP/1.1" 200 2 134 109 "http-nio-127.0.0.1-58280-exec-2" "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#,
            "\n",
            r#"2026-11-22T19:37:14.202Z 127.0.0.1 "GET /err HTTP/1.1" 500 971 14 14 "http-nio-127.0.0.1-58280-exec-3" "-""#,
            "\n"
        ),
        "access-log/tomcat",
        &[
            r#"time="2026-11-22T19:37:13.829Z" level="INFO" thread="http-nio-127.0.0.1-58280-exec-2" trace="0af7651916cd43dd8448eb211c80319c" span="b7ad6b7169203331" message="GET /orders 200" fields="http.request.method=GET;url.path=/orders;url.query=x=1;http.response.status_code=200;client.address=127.0.0.1;bytes=2;duration_ms=134.0;""#,
            r#"time="2026-11-22T19:37:14.202Z" level="ERROR" thread="http-nio-127.0.0.1-58280-exec-3" message="GET /err 500" fields="http.request.method=GET;url.path=/err;http.response.status_code=500;client.address=127.0.0.1;bytes=971;duration_ms=14.0;""#,
        ],
    );
}

/// The durations of two lines that end in these columns.
fn durations(first: &str, second: &str) -> [String; 2] {
    let line = |rest: &str| format!("1.1.1.1 - - [22/Nov/2026:19:35:53 +0000] \"GET / HTTP/1.1\" 200 5 {rest}\n");
    let (_, lines) = file(&(line(first) + &line(second)));
    let of = |line: &String| {
        line.split(['"', ';']).filter(|field| field.starts_with("duration") || field.starts_with("upstream_d")).collect::<Vec<_>>().join(" ")
    };
    [of(&lines[0]), of(&lines[1])]
}

#[test]
fn units_of_durations() {
    for (first, second, want) in [
        // Microseconds: ten minutes in milliseconds are not believed. Milliseconds: nothing takes five microseconds.
        (r#""-" "c" 312"#, r#""-" "c" 1001558"#, ["duration_ms=0.312", "duration_ms=1001.558"]),
        ("5", "30001", ["duration_ms=5.0", "duration_ms=30001.0"]),
        ("312", "2000", ["duration=312", "duration=2000"]),
        ("0", "2", ["duration=0", "duration=2"]),
        ("0.051", "1.200", ["duration_ms=51.0", "duration_ms=1200.0"]),
        ("0.051 0.050", "1.200 -", ["duration_ms=51.0 upstream_duration_ms=50.0", "duration_ms=1200.0"]),
        ("0 312000", "1 1001558", ["duration_ms=312.0", "duration_ms=1001.558"]),
        ("312 0", "1001 1", ["duration_ms=312.0", "duration_ms=1001.0"]),
        // Bytes in and out.
        (r#""-" "c" 480 912"#, r#""-" "c" 470 333"#, ["", ""]),
        // Traefik counts its requests before the time it took.
        (
            r#""-" "c" 1 "web@docker" "http://10.0.0.1:80" 23ms"#,
            r#""-" "c" 2 "web@docker" "http://10.0.0.1:80" 1ms"#,
            ["duration_ms=23.0", "duration_ms=1.0"],
        ),
        ("duration_ms=12", "took=1.5s", ["duration_ms=12.0", "duration_ms=1500.0"]),
        ("duration=12", "duration=x", ["duration=12", "duration=x"]),
    ] {
        assert_eq!(durations(first, second), want, "{first}");
    }
}

#[test]
fn envoy_and_istio() {
    check(
        concat!(
            r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80""#,
            "\n",
            r#"[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 503 UF,URX via_upstream - "delayed connect error: 111" 0 135 4 - "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 10.44.1.27:80"#,
            "\n",
            r#"[2020-11-25T21:26:19.000Z] "- - -" 0 UH - - "-" 0 0 0 - "-" "-" "-" "-" "-""#,
            "\n"
        ),
        "access-log/envoy",
        &[
            r#"time="2016-04-15T20:17:00.310Z" level="INFO" message="POST /api/v1/locations 204" fields="http.request.method=POST;url.path=/api/v1/locations;http.response.status_code=204;bytes=0;request_bytes=154;duration_ms=226.0;upstream_duration_ms=100.0;client.address=10.0.35.28;user_agent.original=nsq2http;request_id=cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2;server.address=locations;upstream_address=tcp://10.0.2.1:80;upstream_attempts=1;""#,
            r#"time="2020-11-25T21:26:18.409Z" level="ERROR" message="GET /status/418 503" fields="http.request.method=GET;url.path=/status/418;http.response.status_code=503;response_flags=UF,URX;response_code_details=via_upstream;upstream_transport_failure_reason=delayed connect error: 111;bytes=135;request_bytes=0;duration_ms=4.0;user_agent.original=curl/7.73.0-DEV;request_id=84961386-6d84-929d-98bd-c5aee93b5c88;server.address=httpbin:8000;upstream_address=127.0.0.1:80;upstream_attempts=1;upstream_name=inbound|8000||;retries_exhausted=true;""#,
            r#"time="2020-11-25T21:26:19Z" level="ERROR" message="no request 0" fields="http.response.status_code=0;response_flags=UH;bytes=0;request_bytes=0;duration_ms=0.0;""#,
        ],
    );
}

#[test]
fn haproxy_in_every_wrapping() {
    check(
        concat!(
            "<129>Nov 22 19:33:33 haproxy[14486]: Server app/app2 is DOWN, reason: Layer4 connection problem. 1 active and 0 backup servers left.\n",
            "Nov 22 19:33:35 lb1 haproxy[14486]: 127.0.0.1:53660 [22/Nov/2026:19:33:34.953] http-in app/app1 0/0/0/-1/1001 504 198 - - sH-- 1/1/0/0/0 0/0 {00-6a3f254e31d1ba632833952ad4916b37-9101a6ab31bc693c-01|x} \"GET /api/slow?a=1 HTTP/1.1\"\n",
            "127.0.0.1:53722 [22/Nov/2026:19:33:37.057] http-in~ app/app2 0/1/2/300/+303 200 +126 - - ---- 1/1/0/0/+2 0/0 {} \"POST /api/payments HTTP/1.1\"\n",
            "<134>Nov 22 19:33:41 haproxy[14486]: 127.0.0.1:49472 [22/Nov/2026:19:33:41.410] http-in app/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 1/1/0/0/0 0/0 \"<BADREQ>\"\n",
            "<134>Nov 22 19:33:37 haproxy[14486]: 127.0.0.1:57126 [22/Nov/2026:19:33:37.383] tcp-in apptcp/app1 1/0/2 123 SC 2/1/0/0/0 0/0\n",
            "Nov 22 19:33:40 lb1 haproxy[14486]: backend app has no server available!\n",
            "[WARNING]  (14486) : Server app/app2 is DOWN\n",
            "[ALERT] 325/193333 (14486) : backend 'app' has no server available!\n",
        ),
        "access-log/haproxy",
        &[
            r#"time="2026-11-22T19:33:33Z" level="FATAL" message="Server app/app2 is DOWN, reason: Layer4 connection problem. 1 active and 0 backup servers left.""#,
            r#"time="2026-11-22T19:33:34.953Z" level="ERROR" instance="lb1" trace="6a3f254e31d1ba632833952ad4916b37" span="9101a6ab31bc693c" message="GET /api/slow 504" fields="http.request.method=GET;url.path=/api/slow;url.query=a=1;http.response.status_code=504;client.address=127.0.0.1;duration_ms=1001.0;queue_ms=0.0;connect_ms=0.0;frontend=http-in;upstream_address=app/app1;termination_state=sH;bytes=198;retries=0;upstream_attempts=1;""#,
            r#"time="2026-11-22T19:33:37.057Z" level="INFO" message="POST /api/payments 200" fields="http.request.method=POST;url.path=/api/payments;http.response.status_code=200;client.address=127.0.0.1;duration_ms=303.0;queue_ms=1.0;connect_ms=2.0;upstream_duration_ms=300.0;frontend=http-in~;upstream_address=app/app2;bytes=126;retries=2;upstream_attempts=3;""#,
            r#"time="2026-11-22T19:33:41.410Z" level="ERROR" message="malformed request 503" fields="http.request.line=<BADREQ>;http.response.status_code=503;client.address=127.0.0.1;duration_ms=0.0;frontend=http-in;upstream_address=app/<NOSRV>;termination_state=SC;bytes=217;retries=0;upstream_attempts=0;""#,
            r#"time="2026-11-22T19:33:37.383Z" level="WARN" message="tcp-in apptcp/app1" fields="client.address=127.0.0.1;duration_ms=2.0;queue_ms=1.0;connect_ms=0.0;frontend=tcp-in;upstream_address=apptcp/app1;termination_state=SC;bytes=123;retries=0;upstream_attempts=1;""#,
            r#"time="2026-11-22T19:33:40Z" level="ERROR" instance="lb1" message="backend app has no server available!""#,
            r#"level="WARN" message="Server app/app2 is DOWN""#,
            r#"level="ERROR" message="backend 'app' has no server available!""#,
        ],
    );
}

#[test]
fn what_others_write() {
    for line in [
        "",
        "[",
        "2026-11-22T19:37:48.008Z  INFO 12 --- [main] c.a.Orders : GET \"/orders\" 200 done",
        "2026-11-22T19:37:48.008Z INFO said \"hello\" 200 times",
        "2026-11-22 19:37:48,008 [http-nio-8080-exec-1] INFO \"GET /a HTTP/1.1\" 200",
        "{\"time\":\"2026-11-22T19:33:34+00:00\",\"request\":\"GET / HTTP/1.1\",\"status\":200}",
        "[2026-11-22T19:37:48.008Z] \"quoted\" text",
        "[2026-11-22T19:37:48.008Z] INFO \"GET / HTTP/1.1\" 200 -",
        "INFO:werkzeug:127.0.0.1 - - [22/Nov/2026 19:33:33] \"GET / HTTP/1.1\" 200 -",
        "2026-11-22 19:37:48,008 INFO werkzeug 127.0.0.1 - - [22/Nov/2026 19:33:33] \"GET / HTTP/1.1\" 200 -",
        "127.0.0.1 - - [22/Nov/2026:19:33:33 +0000] no request 200",
        "127.0.0.1 - - [22/Nov/2026:19:33:33 +0000] \"GET / HTTP/1.1\" 2000 1",
        "127.0.0.1 - - [22/Nov/2026:19:33:33 +0000] \"GET / HTTP/1.1\"",
        "127.0.0.1 - - [22/Nov/2026:19:33:33 +0000] \"GET / HTTP/1.1",
        "[WARNING] (14486) nothing",
        "[WARNING] disk full",
        "Nov 22 19:33:33 host sshd[1]: Accepted publickey",
        "2026/11/22 19:33:33 [error] 1#1: *3 x, request: \"GET / HTTP/1.1\", host: \"h\"",
        "10.0.0.1:80 [22/Nov/2026:19:33:34.953] a b c",
    ] {
        assert!(!AccessLog::EMBEDDED.starts(line.as_bytes(), b""), "{line}");
    }
}

#[test]
fn between_other_lines() {
    let text = "2026-11-22T19:37:48.008Z INFO up\n127.0.0.1 - - [22/Nov/2026:19:37:49 +0000] \"GET / HTTP/1.1\" 500 1 \"-\" \"curl/8\" 0.1\n2026/11/22 19:37:50 [error] 1#1: *1 boom, client: 1.1.1.1\n";
    let mut got = Transcript::default();
    let chunk = Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &Hints::default() };
    LineStream::new(Box::new(crate::formats::free_text::FreeText)).parse(&chunk, &mut got);
    assert!(
        got.text.contains("message=\"GET / 500\"") && got.text.contains("user_agent.original=curl/8;") && got.text.contains("message=\"boom\""),
        "{}",
        got.text
    );
    assert_eq!(got.records, 3, "{}", got.text);
}

#[test]
fn a_few_requests_do_not_make_an_access_log() {
    let mut text = "2026-11-22T19:37:48.008Z INFO up\n".repeat(9);
    text.push_str("127.0.0.1 - - [22/Nov/2026:19:37:49 +0000] \"GET / HTTP/1.1\" 500 1\n");
    assert_eq!(
        crate::formats::recognise(&Head { path: "", bytes: text.as_bytes(), whole: true }).map(|m| m.label),
        Some("text-log/generic".to_owned())
    );
    assert!(sniff(&Head { path: "", bytes: b"hello\nworld\n", whole: true }).is_none());
}

#[test]
fn any_cut_is_read() {
    let lines = [
        r#"a b - \xe9 [22/Nov/2026:19:33:33 +0000] "GET /é?x HTTP/1.1" 200 11 "-" "M \x22q" "-" rt=0.051 urt="0.010, 0.041" ua="1.1.1.1:1, app" tp="00-f6095dd8814b0b602329e1fc056c5e83-11e1cef34d972735-01""#,
        r#"[2020-11-25T21:26:18.409Z] "GET /é HTTP/1.1" 503 UF,URX via_upstream - "x" 0 135 4 - "-" "c" "8" "h:8000" "127.0.0.1:80" inbound"#,
        r#"<134>Nov 22 19:33:35 haproxy[1]: 127.0.0.1:5 [22/Nov/2026:19:33:34.953] http-in app/é 0/0/0/-1/1001 504 198 - - sH-- 1/1/0/0/0 0/0 {a|é} "GET /é HTTP/1.1""#,
        "<134>1 2026-11-22T19:33:34Z lb1 haproxy 14486 - - Server é is DOWN",
    ];
    for line in lines {
        for (at, _) in line.char_indices() {
            for part in [&line[..at], &line[at..]] {
                parse(AccessLog::EMBEDDED, part);
                if let Some(found) = sniff(&Head { path: "", bytes: part.as_bytes(), whole: true }) {
                    found
                        .parser
                        .parse(&Chunk { file: FileId(0), base: 0, bytes: part.as_bytes(), hints: &Hints::default() }, &mut Transcript::default());
                }
            }
        }
        // Bytes that are not UTF-8, anywhere.
        for at in (0..line.len()).step_by(7) {
            let mut bytes = line.as_bytes().to_vec();
            bytes[at] = 0xff;
            let chunk = Chunk { file: FileId(0), base: 0, bytes: &bytes, hints: &Hints::default() };
            LineStream::new(Box::new(AccessLog::EMBEDDED)).parse(&chunk, &mut Transcript::default());
        }
    }
}
