//! Secrets planted in logs of four layouts reach no output, stay apart from each other, and ids that look like them stay.

use crate::program::{analyze, files, items, put, run};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
const CAPITALS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8] = b"0123456789abcdef";

/// So many letters without a pattern: the same for the same seed.
fn noise(seed: u64, length: usize, letters: &[u8]) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(letters[usize::try_from(state >> 33).unwrap() % letters.len()])
    };
    (0..length).map(|_| next()).collect()
}

/// Texts as they stand in logs, with `@@` where the secret is, and the secret.
fn secrets() -> Vec<(&'static str, String)> {
    let token = |seed: u64, length: usize| noise(seed, length, LETTERS);
    let mut all: Vec<(&str, String)> = [
        ("card @@ declined", "4111111111111111"),
        ("card @@ declined", "5500 0055 5555 5559"),
        ("pan=@@;", "3782-822463-10005"),
        ("\"cardNumber\":\"@@\"", "6011000990139424"),
        ("token @@ rejected", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"),
        ("Authorization: Basic @@", "YWxpY2U6c3VwZXJzZWNyZXQ="),
        ("proxy-authorization: Basic @@", "Ym9iOmFub3RoZXJzZWNyZXQ="),
        ("jdbc:postgresql://app:@@@db:5432/orders", "h7!pgPass"),
        ("amqp://user:@@@rabbit:5672/", "rabbitPass77"),
        ("mongodb+srv://svc:@@@cluster0.mongodb.net/x", "m0ngoPass"),
        ("redis://:@@@cache:6379/0", "redisPass99"),
        ("Server=db;User Id=sa;Password=@@;Database=x", "Sql5erverPw"),
        ("mail to @@ bounced", "jane.doe@mail.example.org"),
        ("iban @@ debited", "DE89370400440532013000"),
        ("login password=@@ user=bob", "hunter2hunter"),
        ("{\"clientSecret\":\"@@\",\"n\":1}", "cl1entS3cret"),
        ("started with --password @@ --port 1", "flagPassw0rd"),
        ("spring.datasource.password: @@", "pr0pertyPw"),
        ("otp=@@ accepted", "48291077"),
    ]
    .map(|(text, secret)| (text, secret.to_owned()))
    .to_vec();
    all.extend([
        ("Authorization: Bearer @@", token(1, 40)),
        ("X-Api-Key: @@", token(2, 32)),
        ("key @@ in use", format!("AKIA{}", noise(3, 16, CAPITALS))),
        ("aws_secret_access_key=@@", token(4, 40)),
        ("token @@ expired", format!("ghp_{}", token(5, 36))),
        ("push with @@", format!("github_pat_{}_{}", token(6, 22), token(7, 59))),
        ("runner uses @@", format!("glpat-{}", token(8, 20))),
        ("slack @@ failed", format!("xoxb-123456789012-{}", token(9, 24))),
        ("POST @@ 404", format!("https://hooks.slack.com/services/T00000000/B00000000/{}", token(10, 24))),
        ("stripe @@ refused", format!("sk_live_{}", token(11, 24))),
        ("webhook secret @@", format!("whsec_{}", token(12, 32))),
        ("google @@ over quota", format!("AIza{}", token(13, 35))),
        ("oauth @@", format!("ya29.{}", token(14, 60))),
        ("sendgrid @@", format!("SG.{}.{}", token(15, 22), token(16, 43))),
        ("npm @@", format!("npm_{}", token(17, 36))),
        ("model @@ limited", format!("sk-proj-{}", token(18, 48))),
        ("hub @@", format!("hf_{}", token(19, 34))),
        ("vault @@", format!("hvs.{}", token(20, 24))),
        ("upload with @@", format!("pypi-AgEI{}", token(21, 60))),
        ("discord @@", format!("MTIzNDU2Nzg5MDEyMzQ1Njc4.{}.{}", token(29, 6), token(30, 38))),
        ("bot @@", format!("123456789:AA{}", token(22, 33))),
        ("AccountName=acme;AccountKey=@@;EndpointSuffix=core.windows.net", format!("{}==", token(23, 86))),
        ("GET https://acme.blob.core.windows.net/x?sv=2022&sig=@@&se=1", format!("{}%3D", token(24, 43))),
        ("GET https://bucket.s3.amazonaws.com/k?X-Amz-Signature=@@", noise(25, 64, HEX)),
        ("Cookie: SESSION=@@; theme=dark", token(26, 32)),
        ("Set-Cookie: JSESSIONID=@@; Path=/", noise(27, 32, CAPITALS)),
        ("-----BEGIN RSA PRIVATE KEY-----\n@@\n-----END RSA PRIVATE KEY-----", format!("MIIEpAIBAAKCAQEA{}", token(28, 48))),
    ]);
    all
}

/// What looks like a card number, a key or a token and is none.
const LOOK_ALIKES: &[&str] = &[
    "blk_-6952295868487656571",
    "blk_4000000000000002",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736",
    "dd.trace_id=4539578763621486784",
    "part-5105105105105100.parquet",
    "segment 5105105105105100.log",
    "1757498531123456789",
    "/data/20240914101530123456/x.idx",
    "DataNode$PacketResponder",
    "risk-assessment-service-deployment-controller",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
];

/// Each secret in a service of its own, at a pool that runs dry (so that a finding quotes it) and in an error (a log pattern).
fn plant(root: &Path) {
    for (n, (text, secret)) in secrets().into_iter().enumerate() {
        let mut log = String::new();
        for second in 0..12 {
            let time = format!("2026-09-14T10:00:{second:02}.000Z");
            for start in ["HikariPool-1 - Connection is not available, request timed out after 30000ms.", "request failed:"] {
                let said = format!("{start} {}", text.replace("@@", &secret));
                let line = said.replace('\n', "\\n");
                log += &match n % 4 {
                    0 => json!({"@timestamp": time, "level": "ERROR", "logger_name": "c.acme.Pool", "message": said, "note": text.replace("@@", &secret)}).to_string(),
                    1 => format!("2026-09-14 10:00:{second:02}.000 ERROR 1 --- [main] c.acme.shop.Pool : {line}"),
                    2 => format!("time={time} level=error logger=pool msg={}", json!(said)),
                    _ => format!("{time} [main] ERROR pool - {line}"),
                };
                log.push('\n');
            }
        }
        put(&root.join(format!("svc{n:02}/app.log")), log);
    }
    let line = |(n, said): (usize, &&str)| format!("2026-09-14 10:00:{n:02}.000 ERROR 1 --- [main] c.acme.Look : seen {said} here\n");
    put(&root.join("look/app.log"), LOOK_ALIKES.iter().enumerate().map(line).collect::<String>());
}

/// A secret as outputs would spell it.
fn spellings(secret: &str) -> BTreeSet<String> {
    let json = json!(secret).to_string();
    let markdown: String = secret.chars().flat_map(|c| if "@_!|#*[]".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
    let html = secret.replace('&', "&#38;");
    [secret.to_owned(), json.trim_matches('"').to_owned(), markdown, html].into()
}

#[test]
fn planted_secrets_reach_no_output_and_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, out) = (dir.path().join("bundle"), dir.path().join("out"));
    plant(&bundle);
    let at = |name: &str| out.join(name);
    fs::create_dir_all(&out).unwrap();
    let mut command = analyze();
    command.arg(&bundle).arg("--report").arg(at("page.html")).arg("--json").arg(at("report.json")).arg("--markdown").arg(at("report.md"));
    let said = run(command.arg("--sarif").arg(at("report.sarif")).arg("--junit").arg(at("report.xml")).arg("--tables").arg(at("tables"))).expect(0);
    let mut outputs: Vec<(String, String)> =
        files(&out).into_iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect();
    let records = run(analyze().arg("inspect").arg(&bundle).arg("--records")).expect(0).text().to_owned();
    outputs.push(("terminal".to_owned(), format!("{}{}{}", run(analyze().arg(&bundle)).expect(0).text(), said.text(), said.err)));
    outputs.push(("records".to_owned(), records.clone()));
    assert!(outputs.len() > 8, "{:?}", outputs.iter().map(|(name, _)| name).collect::<Vec<_>>());

    let secrets = secrets();
    assert!(secrets.len() >= 40);
    let report: serde_json::Value = serde_json::from_str(&outputs.iter().find(|(name, _)| name.ends_with("report.json")).unwrap().1).unwrap();
    assert!(items(&report, "/findings").len() >= secrets.len(), "each service has a finding that quotes its records");
    let mut leaks = Vec::new();
    for (text, secret) in &secrets {
        for (name, output) in &outputs {
            if spellings(secret).iter().any(|spelling| output.contains(spelling.as_str())) {
                leaks.push(format!("{name}: {text} {secret}"));
            }
        }
    }
    assert_eq!(leaks, [""; 0]);

    // Every secret has a tag of its own.
    let tag = |part: &str| part.split_once('>').map(|(tag, _)| tag.to_owned()).filter(|tag| tag.len() < 24 && tag.contains('#'));
    let tags: BTreeSet<String> = records.split('<').skip(1).filter_map(tag).collect();
    assert!(tags.len() >= secrets.len(), "{} tags: {tags:?}", tags.len());

    for said in LOOK_ALIKES {
        assert!(records.contains(&format!("seen {said} here")), "{said} is taken for a secret");
    }
}
