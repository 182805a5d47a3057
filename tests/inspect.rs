//! `analyze inspect`: what it says of files and of records can be checked against the bytes.

use crate::program::{Run, analyze, put, run, sample};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;

fn inspect(dir: &Path, more: &[&str]) -> Run {
    run(analyze().arg("inspect").arg(dir).args(more)).expect(0)
}

fn records(dir: &Path, more: &[&str]) -> Vec<Value> {
    let out = inspect(dir, &[&["--records"], more].concat());
    out.text().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn told<'v>(record: &'v Value, key: &str) -> &'v str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(record: &Value, key: &str) -> usize {
    record.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or_else(|| panic!("no {key} in {record}"))
}

const LOG: &str = "\
2026-11-22T19:37:48.008Z  INFO 1 --- [orders] [main] c.a.Orders : order 17 of jane@example.org accepted
2026-11-22T19:37:49.008Z ERROR 1 --- [orders] [main] c.a.Orders : order 18 of john@example.org failed
java.lang.IllegalStateException: no
\tat a.B.c(B.java:1)
not a head, still the same record
";

#[test]
fn records_are_where_they_say_and_hold_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("orders/app.log"), LOG);
    put(&dir.path().join("syslog"), "Nov 22 19:37:50 web-1 cart[7]: password=hunter2 rejected\n");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(LOG.replace("order ", "cart ").as_bytes()).unwrap();
    put(&dir.path().join("cart/app.log.gz"), gz.finish().unwrap());
    let all = records(dir.path(), &[]);
    assert_eq!(all.len(), 5);
    let files: Vec<&str> = all.iter().map(|record| told(record, "file")).collect();
    assert!(files.is_sorted(), "{files:?}");
    let failed = all.iter().find(|record| told(record, "file") == "orders/app.log" && told(record, "severity") == "ERROR").unwrap();
    let (offset, length) = (number(failed, "offset"), number(failed, "length"));
    assert!(LOG[offset..offset + length].starts_with("2026-11-22T19:37:49.008Z ERROR") && LOG[offset..offset + length].ends_with("same record"));
    assert_eq!((number(failed, "line"), told(failed, "service"), told(failed, "exception")), (2, "orders", "java.lang.IllegalStateException"));
    assert_eq!(told(failed, "message"), "order 18 of <email#2> failed");
    assert_eq!(told(failed, "template").matches("<*>").count(), 2, "{failed}");
    let undated = all.iter().find(|record| told(record, "file") == "syslog").unwrap();
    assert_eq!((told(undated, "time"), told(undated, "instance")), ("2026-11-22T19:37:50Z", "web-1"), "the year is that of the other files");
    let out = inspect(dir.path(), &["--records"]);
    assert!(!out.text().contains("hunter2") && !out.text().contains("example.org"), "{}", out.text());
    assert_eq!(out.out, inspect(dir.path(), &["--records"]).out);
    assert!(inspect(dir.path(), &["--records", "--no-redact"]).text().contains("hunter2"));
}

#[test]
fn a_summary_tells_why_and_what_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    put(
        &dir.path().join("orders/app.json"),
        "{\"time\":\"2026-11-22T19:37:48Z\",\"level\":\"info\",\"msg\":\"up\"}\n{\"time\":\"2026-11-22T19:37:49Z\",\"level\":\"in\n{\"time\":\"2026-11-22T19:37:50Z\",\"level\":\"info\",\"msg\":\"down\"}\n",
    );
    put(&dir.path().join("copy.json"), fs::read(dir.path().join("orders/app.json")).unwrap());
    put(&dir.path().join("prose.md"), "Some prose.\nOf two lines.\n");
    let text = inspect(dir.path(), &[]).text().to_owned();
    for part in [
        "orders/app.json  copy of another file (",
        "copy.json  json-log/",
        "2 records  2026-11-22T19:37:48Z to 2026-11-22T19:37:50Z",
        "    why: json-log/",
        "first at line 2, byte 58: {\"time\":",
        "prose.md  not recognised  26 bytes  0 records",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn a_format_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("odd.out"), "prose\n2026-11-22 19:37:48 up\nmore prose\nand more\nand more\nand more\nand more\nand more\n");
    assert!(inspect_status(dir.path(), &[]) == Some(2), "nothing is recognised");
    let asked = records(dir.path(), &["--as", "text-log=*.out"]);
    assert_eq!(asked.iter().filter(|record| told(record, "time") == "2026-11-22T19:37:48Z").count(), 1, "{asked:?}");
    put(&dir.path().join("bundle.yaml"), "files:\n  - path: \"*.out\"\n    format: text-log\n    service: odd\n    zone: \"+01:00\"\n");
    let noted = records(dir.path(), &[]);
    assert!(noted.iter().any(|record| told(record, "time") == "2026-11-22T18:37:48Z" && told(record, "service") == "odd"), "{noted:?}");
    let wrong = run(analyze().args(["inspect", "--as", "gold=*.out"]).arg(dir.path())).expect(2);
    assert!(wrong.err.contains("there is no format \"gold\"") && wrong.err.contains("json-log"), "{}", wrong.err);
}

fn inspect_status(dir: &Path, more: &[&str]) -> Option<i32> {
    run(analyze().arg("inspect").arg(dir).args(more)).status
}

#[test]
fn every_record_of_a_sample_is_json() {
    let all = records(&sample("checkout-incident"), &[]);
    assert!(all.len() > 100);
    assert!(all.iter().all(|record| !told(record, "kind").is_empty() && !told(record, "file").is_empty() && number(record, "line") > 0));
}
