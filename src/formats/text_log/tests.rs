//! One line of every pattern met, hostile lines, and cuts at every byte.

use super::*;
use crate::formats::lines::LineStream;
use crate::formats::text_log::sniff::sniff;
use crate::formats::{Match, Parser};
use crate::model::source::{Chunk, FileId};
use crate::model::time::SECOND;
use crate::model::transcript::Transcript;

const TRACE: &str = "f71074de22c94ce6b2fa2ace749e764b";
const SPAN: &str = "f71074de22c94ce6";

fn recognised(text: &str) -> Option<Match> {
    sniff(&crate::model::source::Head { path: "x", bytes: text.as_bytes(), whole: true })
}

fn parse(found: &Match, text: &[u8]) -> Transcript {
    let hints = Hints { day: Time(1_795_305_600 * SECOND), ..Hints::default() };
    let mut transcript = Transcript::default();
    let Parser::Lines(stream) = &found.parser else { return transcript };
    stream.parse(&Chunk { file: FileId(0), base: 0, bytes: text, hints: &hints }, &mut transcript);
    transcript
}

/// Label, and the first record without its place.
fn read(text: &str) -> String {
    let Some(found) = recognised(text) else { return "none".to_owned() };
    let got = parse(&found, text.as_bytes());
    let first = got.text.lines().next().and_then(|line| line.split_once("+")).and_then(|(_, line)| line.split_once(' '));
    format!("{} {}", found.label.trim_start_matches("text-log/"), first.map_or("", |(_, line)| line))
}

#[test]
fn spring_boot() {
    let tail = format!("logger=\"c.a.Orders\" thread=\"main\" trace=\"{TRACE}\" span=\"{SPAN}\" message=\"up\"");
    for line in [
        format!("2026-11-22T19:37:48.008Z  INFO 1 --- [orders] [           main] [{TRACE}-{SPAN}] c.a.Orders      : up"),
        format!("2026-11-22T19:37:48.008Z  INFO 1 --- [orders] [group] [main] [{TRACE}-{SPAN}] c.a.Orders : up"),
        format!("2026-11-22T19:37:48.008Z  INFO [orders,{TRACE},{SPAN}] 1 --- [           main] c.a.Orders      : up"),
        format!("2026-11-22 19:37:48.008  INFO [orders,{TRACE},{SPAN},true] 1 --- [           main] c.a.Orders      : up"),
        format!(
            "\x1b[2m2026-11-22T19:37:48.008Z\x1b[0;39m \x1b[32m INFO\x1b[0;39m \x1b[35m1\x1b[0;39m \x1b[2m--- [orders] [main] [{TRACE}-{SPAN}] \x1b[0;39m\x1b[36mc.a.Orders \x1b[0;39m \x1b[2m:\x1b[0;39m up"
        ),
    ] {
        assert_eq!(read(&line), format!("spring-boot time=\"2026-11-22T19:37:48.008Z\" level=\"INFO\" service=\"orders\" {tail}"), "{line}");
    }
    for blank in [" ".repeat(49), format!("{}-{}", " ".repeat(32), " ".repeat(16))] {
        let line = format!("2026-11-22T19:37:48.008Z  WARN 1 --- [billing] [           main] [{blank}] c.a.Orders : up");
        assert_eq!(
            read(&line),
            "spring-boot time=\"2026-11-22T19:37:48.008Z\" level=\"WARN\" service=\"billing\" logger=\"c.a.Orders\" thread=\"main\" message=\"up\""
        );
    }
    let line = "2026-11-22 19:37:48.008 ERROR 12345 --- [nio-8080-exec-1] o.a.c.c.C.[.[.[/].[dispatcherServlet]    : Servlet.service() threw";
    assert_eq!(
        read(line),
        "spring-boot time=\"2026-11-22T19:37:48.008Z\" level=\"ERROR\" logger=\"o.a.c.c.C.[.[.[/].[dispatcherServlet]\" thread=\"nio-8080-exec-1\" message=\"Servlet.service() threw\""
    );
}

#[test]
fn patterns_of_logback_and_log4j() {
    let want = "time=\"2026-11-22T19:37:03.181Z\" level=\"WARN\" logger=\"com.acme.X\" thread=\"main\" message=\"slow\"";
    for line in [
        "2026-11-22 19:37:03,181 [main] WARN  com.acme.X - slow",
        "2026-11-22 19:37:03,181 WARN  [main] com.acme.X - slow",
        "2026-11-22 19:37:03,181 WARN  [main] com.acme.X: slow",
        "2026-11-22 19:37:03,181 WARN  [com.acme.X] (main) slow",
        "2026-11-22 19:37:03,181 WARN  [com.acme.X] [main] - slow",
        "2026-11-22 19:37:03,181 | WARN | main | com.acme.X | slow",
        "2026-11-22 19:37:03,181|WARN|main|com.acme.X|slow",
        "[2026-11-22 19:37:03,181] [main] [WARN] com.acme.X - slow",
        "[2026-11-22T19:37:03.181Z][WARN][main] com.acme.X - slow",
        "20261122T193703,181 [main] WARN com.acme.X - slow",
        "19:37:03.181 [main] WARN  com.acme.X - slow",
        "22-Nov-2026 19:37:03.181 WARNING [main] com.acme.X slow",
        "1795376223181 [main] WARN com.acme.X - slow",
        "WARN  2026-11-22 19:37:03,181 [main] com.acme.X - slow",
        "[main] WARN 2026-11-22 19:37:03,181 com.acme.X - slow",
        "2026-11-22 19:37:03,181 main WARN com.acme.X - slow",
        "2026-11-22T19:37:03.181Z 2026-11-22 19:37:03,181 [main] WARN  com.acme.X - slow",
    ] {
        let got = read(&format!("{line}\n{line}\n"));
        assert_eq!(got.split_once(' ').map_or("", |(_, record)| record), want, "{line}");
    }
}

#[test]
fn contexts_and_ids() {
    let want = format!("logger=\"c.a.X\" thread=\"main\" trace=\"{TRACE}\" span=\"{SPAN}\" message=\"up id=1\" fields=\"orderId=o-1;id=1;\"");
    for line in [
        format!("2026-11-22 19:37:03,181 [main] INFO  c.a.X [traceId={TRACE}, spanId={SPAN}, orderId=o-1] - up id=1"),
        format!("2026-11-22 19:37:03,181 INFO  [main] c.a.X {TRACE} {{orderId=o-1, spanId={SPAN}, traceId={TRACE}}} - up id=1"),
        format!("2026-11-22 19:37:03,181 INFO  [main] [trace_id={TRACE} span_id={SPAN} orderId=o-1] c.a.X: up id=1"),
    ] {
        assert_eq!(read(&line), format!("logback time=\"2026-11-22T19:37:03.181Z\" level=\"INFO\" {want}"), "{line}");
    }
    let bare = format!("2026-11-22 19:37:03,181 [main] INFO  c.a.X - request {TRACE} done");
    assert!(!read(&bare).contains("trace="));
    let parent = format!("2026-11-22 19:37:03,181 [main] INFO  c.a.X - headers traceparent=00-{TRACE}-{SPAN}-01");
    assert!(read(&parent).contains(&format!("trace=\"{TRACE}\" span=\"{SPAN}\"")), "{}", read(&parent));
}

#[test]
fn other_languages() {
    for (line, want) in [
        (
            "2026-11-22 19:38:32,418 WARNING shop.api retry 2 of 3",
            "python time=\"2026-11-22T19:38:32.418Z\" level=\"WARN\" logger=\"shop.api\" message=\"retry 2 of 3\"",
        ),
        (
            "2026-11-22 19:38:32,418 - shop - WARNING - retry 2 of 3",
            "python time=\"2026-11-22T19:38:32.418Z\" level=\"WARN\" logger=\"shop\" message=\"retry 2 of 3\"",
        ),
        (
            "2026-11-22 19:38:32,418 - WARNING - shop - retry 2 of 3",
            "python time=\"2026-11-22T19:38:32.418Z\" level=\"WARN\" logger=\"shop\" message=\"retry 2 of 3\"",
        ),
        ("WARNING:shop.api:retry 2 of 3", "python level=\"WARN\" logger=\"shop.api\" message=\"retry 2 of 3\""),
        (
            "2026-11-22 19:38:32.418 | INFO     | shop.api:pay:12 - paid",
            "logback time=\"2026-11-22T19:38:32.418Z\" level=\"INFO\" logger=\"shop.api:pay:12\" message=\"paid\"",
        ),
        (
            "2026-11-22T19:38:32.418315Z  INFO shop::api: paid n=1",
            "logback time=\"2026-11-22T19:38:32.418315Z\" level=\"INFO\" logger=\"shop::api\" message=\"paid n=1\" fields=\"n=1;\"",
        ),
        (
            "2026-11-22T19:38:32.418315Z  INFO main ThreadId(01) shop::api: paid",
            "logback time=\"2026-11-22T19:38:32.418315Z\" level=\"INFO\" logger=\"shop::api\" thread=\"main\" message=\"paid\"",
        ),
        (
            "2026-11-22T19:38:32.418Z\tinfo\tapi/pay.go:12\tpaid it\t{\"n\": 1, \"trace_id\": \"f71074de22c94ce6b2fa2ace749e764b\"}",
            "generic time=\"2026-11-22T19:38:32.418Z\" level=\"INFO\" logger=\"api/pay.go:12\" trace=\"f71074de22c94ce6b2fa2ace749e764b\" message=\"paid it\" fields=\"n=1;\"",
        ),
        ("[19:38:32 INF] paid it", "generic time=\"2026-11-22T19:38:32Z\" level=\"INFO\" message=\"paid it\""),
        ("info: paid it {\"n\":1}", "generic level=\"INFO\" message=\"paid it\" fields=\"n=1;\""),
        (
            "2026/11/22 19:38:32 [error] 14403#14403: *3 connect() failed",
            "generic time=\"2026-11-22T19:38:32Z\" level=\"ERROR\" message=\"*3 connect() failed\"",
        ),
        (
            "2026-11-22 19:38:32.283 UTC [16406] shop@orders ERROR:  deadlock detected",
            "generic time=\"2026-11-22T19:38:32.283Z\" level=\"ERROR\" thread=\"shop@orders\" message=\"deadlock detected\"",
        ),
        (
            "2026-11-22 19:38:32 UTC [7] user=,db=shop,app=x LOG:  checkpoint starting: time",
            "generic time=\"2026-11-22T19:38:32Z\" level=\"INFO\" message=\"checkpoint starting: time\" fields=\"db=shop;app=x;\"",
        ),
        ("2026-11-22 19:38:32 a=1 b=2 done", "generic time=\"2026-11-22T19:38:32Z\" message=\"a=1 b=2 done\" fields=\"a=1;b=2;\""),
        (
            "[Sun Nov 22 19:38:32.184741 2026] [core:info] [pid 18067:tid 18071] AH00128: gone",
            "generic time=\"2026-11-22T19:38:32.184741Z\" level=\"INFO\" logger=\"core\" message=\"AH00128: gone\"",
        ),
        ("2026-11-22 19:38:32,672:DEBUG:foo bar", "generic time=\"2026-11-22T19:38:32.672Z\" level=\"DEBUG\" message=\"foo bar\""),
    ] {
        assert_eq!(read(&format!("{line}\n{line}\n")), want, "{line}");
    }
}

#[test]
fn kafka() {
    let line = "[2025-04-09 10:00:00,405] INFO [GroupCoordinator id=1] Member left group=g (kafka.coordinator.group.GroupCoordinator)\n";
    assert_eq!(
        read(line),
        "kafka time=\"2025-04-09T10:00:00.405Z\" level=\"INFO\" logger=\"kafka.coordinator.group.GroupCoordinator\" message=\"[GroupCoordinator id=1] Member left group=g\" fields=\"id=1;group=g;\""
    );
    let failed = "[2025-04-09 10:00:00,405] ERROR Failed (kafka.server.BrokerServer)\njava.io.IOException: x\n\tat A.b(A.java:1)\n";
    assert!(
        read(failed).ends_with("logger=\"kafka.server.BrokerServer\" message=\"Failed\" stack=\"java.io.IOException: x\" stack_lines=\"2\""),
        "{}",
        read(failed)
    );
}

/// Prose after the head stays prose: what a pattern lacks is not found in the message.
#[test]
fn messages_keep_their_words() {
    for (line, message) in [
        ("2026-11-22 19:00:00 Hello, World! - INFO later", "Hello, World! - INFO later"),
        ("2026-11-22 19:00:00 INFO 200 OK", "200 OK"),
        ("2026-11-22 19:00:00 INFO [main] Order (retry 3) failed", "Order (retry 3) failed"),
        ("2026-11-22 19:00:00 INFO {\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"),
        ("2026-11-22 19:00:00 INFO", ""),
        ("2026-11-22 19:00:00 ERROR ERROR twice", "ERROR twice"),
    ] {
        let text = format!("{line}\n2026-11-22 19:00:00 INFO a b c\n2026-11-22 19:00:00 INFO d e f\n2026-11-22 19:00:00 INFO g h\n");
        let got = read(&text);
        assert!(got.contains(&format!("message={message:?}")) || (message.is_empty() && !got.contains("message=")), "{line}: {got}");
    }
}

#[test]
fn logfmt_with_a_stack_below() {
    let got = read("ts=1795376223943 level=ERROR msg=\"boom \\\"x\\\"\" n=1\njava.lang.Error: y\n\tat A.b(A.java:1)\n");
    assert_eq!(
        got,
        "logfmt time=\"2026-11-22T19:37:03.943Z\" level=\"ERROR\" message=\"boom \\\"x\\\"\" stack=\"java.lang.Error: y\" stack_lines=\"2\" fields=\"n=1;\""
    );
}

#[test]
fn other_files_are_not_claimed() {
    for text in [
        "",
        "\n\n",
        "127.0.0.1 - bob [22/Nov/2026:19:33:33 +0000] \"GET / HTTP/1.1\" 200 11\n",
        "[22/Nov/2026:19:33:33 +0000] \"GET / HTTP/1.1\" 200 11\n",
        "2026-11-22T19:37:14.190Z 127.0.0.1 \"GET /slow HTTP/1.1\" 200 2 306 303 \"x\"\n",
        "[2026-04-15T20:17:00.310Z] \"POST /api HTTP/2\" 204 - 154 0 226 100\n",
        "[0.293s][info][gc] GC(0) Pause Young\n",
        "[2026-11-22T19:30:33.967+0000][0.293s][info][gc] GC(0) Pause Young\n",
        "2026-11-22T19:30:33.967+0000: 3.1: [GC (Allocation Failure)  24M->1M(92M), 0.1 secs]\n",
        "2026-11-22 19:28:00\nFull thread dump OpenJDK 64-Bit Server VM (17):\n",
        "{\"time\":\"2026-11-22T19:28:00Z\",\"level\":\"info\",\"msg\":\"a\"}\n",
        " num     #instances         #bytes  class name\n",
        "2026-11-22 19:34:39.283 UTC,\"shop\",\"orders\",16406\n",
        "<134>1 2026-11-22T19:37:03.181Z vm order-service 21224 Audit - up\n",
        "Some prose.\nOf two lines.\n",
        "spring:\n  application:\n    name: orders\n",
    ] {
        assert_eq!(read(text), "none", "{text}");
    }
}

#[test]
fn embedded_lines_need_more() {
    let format = TextLog::EMBEDDED;
    for (line, want) in [
        ("2026-11-22 19:00:00 anything", true),
        ("19:00:00.000 [main] INFO x", true),
        ("19:00:00.000 anything", false),
        ("1795376223181 anything", false),
        ("\tat A.b(A.java:1)", false),
        ("INFO: up", false),
    ] {
        assert_eq!(format.starts(line.as_bytes(), b""), want, "{line}");
    }
}

#[test]
fn a_clock_before_this_century_is_no_time() {
    let text = "1970-01-01 00:00:07.043 [main] INFO  c.a.X - up\n";
    let got = parse(&recognised(text).expect("a text log"), text.as_bytes());
    assert_eq!(got.text, "quarantine @0+47 implausible-time\nlog @0+47 level=\"INFO\" logger=\"c.a.X\" thread=\"main\" message=\"up\"\n");
}

#[test]
fn any_cut_and_any_filth_is_read() {
    let sample = format!(
        "2026-11-22T19:37:48.008Z  INFO 1 --- [orders] [main] [{TRACE}-{SPAN}] c.a.Orders : up é id=1 note=\"x\nBoom\njava.lang.X$YError: a\n\tat A.b(A.java:1)\n\
         \x1b[2m19:00:00\x1b[0m [[[ {{a=[ - : | {{\"a\": \"\\\n[2025-04-09 10:00:00,405] INFO x (kafka.log.LogManager)\nts=1 level=info msg=\"\\\nINFO:::a\n2026-11-22 19:00:00 ["
    );
    let layouts = [Anchor::Time, Anchor::Word, Anchor::Pairs].map(|anchor| TextLog::of(Layout { anchor, separator: true, logger: true }));
    for format in layouts.into_iter().chain([TextLog::EMBEDDED]) {
        let found = Match { confidence: 1, label: String::new(), parser: Parser::Lines(LineStream::new(Box::new(format))) };
        for cut in 0..sample.len() {
            for part in [&sample.as_bytes()[..cut], &sample.as_bytes()[cut..]] {
                let got = parse(&found, part);
                assert!(got.records + got.quarantined > 0 || part.trim_ascii().is_empty(), "{cut}");
                let _ = sniff(&crate::model::source::Head { path: "x", bytes: part, whole: cut % 2 == 0 });
            }
        }
    }
}
