//! Takes secrets and personal data out of a whole report, before anything is written.
//!
//! Each value is replaced by a tag that is stable within the report: the same card number is `<card#1>` wherever it
//! stands, so what belonged together can still be seen to belong together. Tags are numbered by first appearance.
//! Replaced are card numbers, JWTs, credentials of HTTP headers, passwords and keys under their usual names, cloud access
//! keys, private keys, e-mail addresses and IBANs. Names of people, addresses and phone numbers are **not** recognised:
//! they have no form of their own. A lone hexadecimal token is left alone, for it is far more often a trace id.

mod checks;
mod find;
mod gate;
pub(super) mod walk;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::report::Report;
use crate::report::text;
use walk::Field;

/// Longest quote of a record, in characters.
const EXCERPT: usize = 300;

/// Makes a report safe to share: [`clean`], and every secret replaced by its tag.
pub fn redact(report: &mut Report) {
    let mut redactor = Redactor::default();
    walk::every_text(report, &mut |text, field| {
        tidy(text, field);
        if let Cow::Owned(redacted) = redactor.text(text) {
            *text = redacted;
        }
        shorten(text, field);
    });
}

/// Takes terminal escapes and control characters out of a report and nothing else, for `--no-redact`.
pub fn clean(report: &mut Report) {
    walk::every_text(report, &mut |text, field| {
        tidy(text, field);
        shorten(text, field);
    });
}

fn tidy(text: &mut String, field: Field) {
    let lines = if field == Field::Line { text::Lines::Join } else { text::Lines::Keep };
    if let Cow::Owned(cleaned) = text::clean(text, lines) {
        *text = cleaned;
    }
}

/// Quotes are cut after redaction, so that half of a secret is never left at the cut.
fn shorten(text: &mut String, field: Field) {
    if field == Field::Excerpt
        && let Cow::Owned(short) = text::cut(text, EXCERPT)
    {
        *text = short;
    }
}

/// Replaces secrets by tags and remembers which value has which.
#[derive(Debug, Default)]
pub struct Redactor {
    /// Number of each value, per kind, in its canonical spelling.
    seen: BTreeMap<find::Kind, BTreeMap<String, usize>>,
}

impl Redactor {
    /// The text with every secret replaced.
    pub fn text<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        let hits = find::secrets(text);
        if hits.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for hit in hits {
            let value = &text[hit.range.clone()];
            out.push_str(&text[done..hit.range.start]);
            out.push_str(&self.tag(hit.kind, value));
            done = hit.range.end;
        }
        out.push_str(&text[done..]);
        Cow::Owned(out)
    }

    fn tag(&mut self, kind: find::Kind, value: &str) -> String {
        let values = self.seen.entry(kind).or_default();
        let next = values.len() + 1;
        let number = *values.entry(kind.canonical(value)).or_insert(next);
        format!("<{}#{number}>", kind.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Finding, Quote};

    fn redacted(text: &str) -> String {
        Redactor::default().text(text).into_owned()
    }

    #[test]
    fn secrets_are_replaced() {
        let cases = [
            ("paid with 4111 1111 1111 1111 ok", "paid with <card#1> ok"),
            ("pan=4111-1111-1111-1111;", "pan=<card#1>;"),
            ("\"pan\":5500005555555559,", "\"pan\":<card#1>,"),
            ("amex 3782 822463 10005.", "amex <card#1>."),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl end", "jwt <jwt#1> end"),
            ("Authorization: Bearer abc123def456ghi", "Authorization: Bearer <token#1>"),
            ("headers=[Authorization:\"Basic dXNlcjpwYXNz\", Accept:\"*/*\"]", "headers=[Authorization:\"Basic <token#1>\", Accept:\"*/*\"]"),
            ("authorization=[Bearer 0f9a8b7c6d5e]", "authorization=[Bearer <token#1>]"),
            ("sent bearer mF_9.B5f-4.1JqM to peer", "sent bearer <token#1> to peer"),
            ("Authorization: Digest username=\"u\", response=\"6629fae4\"", "Authorization: Digest <token#1>"),
            ("spring.datasource.password=hunter2", "spring.datasource.password=<secret#1>"),
            ("DB_PASSWORD: s3cr3t, DB_USER: app", "DB_PASSWORD: <secret#1>, DB_USER: app"),
            ("{\"password\":\"a\\\"b\",\"user\":\"x\"}", "{\"password\":\"<secret#1>\",\"user\":\"x\"}"),
            ("body={\\\"clientSecret\\\":\\\"xyz\\\",\\\"n\\\":1}", "body={\\\"clientSecret\\\":\\\"<secret#1>\\\",\\\"n\\\":1}"),
            ("User(name=joe, password=p)ss!, age=3)", "User(name=joe, password=<secret#1>, age=3)"),
            ("Login(password=abc)", "Login(password=<secret#1>)"),
            ("GET /x?api_key=AbC123&page=2", "GET /x?api_key=<secret#1>&page=2"),
            ("--token ghs9 --port 80", "--token <secret#1> --port 80"),
            ("<password>geheim</password>", "<password><secret#1></password>"),
            ("jdbc:postgresql://app:p@ss@db:5432/orders", "jdbc:postgresql://app:<secret#1>@db:5432/orders"),
            ("jdbc:oracle:thin:scott/tiger@//db:1521/x", "jdbc:oracle:thin:scott/<secret#1>@//db:1521/x"),
            ("redis://:pw@cache:6379", "redis://:<secret#1>@cache:6379"),
            ("Cookie: a=1; SESSION=xyz\nHost: y", "Cookie: <secret#1>\nHost: y"),
            ("key AKIAIOSFODNN7EXAMPLE used", "key <access-key#1> used"),
            ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = <secret#1>"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nx", "<private-key#1>\nx"),
            ("-----BEGIN PRIVATE KEY-----\nMIIEcut", "<private-key#1>"),
            ("mail to jane.doe+x@mail.example.org now", "mail to <email#1> now"),
            ("iban DE89 3704 0044 0532 0130 00!", "iban <iban#1>!"),
            ("GB82WEST12345698765432", "<iban#1>"),
            ("user jane%40example.com", "user <email#1>"),
        ];
        for (text, expected) in cases {
            assert_eq!(redacted(text), expected);
            assert_eq!(redacted(expected), expected, "redacting twice changes nothing");
        }
    }

    #[test]
    fn look_alikes_stay() {
        let cases = [
            "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
            "411111111111111111111111111111111111 is longer than a card",
            "4111111111111112 fails the check digit",
            "blk_-6952295868487656571 blk_4000000000000002 lag -4111111111111111",
            "part-4111111111111111.parquet and 4111111111111111.log.gz",
            "dd.trace_id=4539578763621486784 requestId: 4111111111111111 session=3f2a \"offset\":\"4111111111111111\"",
            "snowflake 4111111111111111110 is too long to be one",
            "a4111111111111111f is part of a token",
            "0.4111111111111111 and 4111111111111111.5 are fractions",
            "uuid 41111111-1111-1111-1111-111111111111",
            "550e8400-e29b-41d4-a716-446655440000",
            "1757498531123 1757498531123456 1757498531123456789 are times",
            "2026-09-10T10:02:11.123456789Z 2026-09-10 10:02:11,123",
            "order 100000000000017 amount 1846.30 EUR",
            "com.example.orders.PaymentService$Inner@1a2b3c4d.close",
            "connection pid 4242@orders-7c9f.prod.local",
            "tokens=512 max_tokens: 4096 token.count=3 tokenizer=simple",
            "password: must not be blank",
            "password=null, secret=***, token=${TOKEN}, pwd=<redacted>",
            "PWD=/srv/app",
            "Bearer authentication is required; basic auth failed",
            "BearerTokenAuthenticationFilter Bearer AuthenticationEntryPoint",
            "idempotency-key: 7f3e9a1c partition_key=42 key=value",
            "http://gateway:8080/orders and http://10.0.0.1:8080/@handle",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "XX89370400440532013000 DE89370400440532013001",
            "at org.example.A.b(A.java:42) ~[app.jar:1.2.3] lib@1.2.3",
            "heap 4096M->2048M(8192M) 12.3ms",
        ];
        for text in cases {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn equal_values_have_equal_tags_in_order_of_appearance() {
        let mut redactor = Redactor::default();
        assert_eq!(redactor.text("b@example.org a@example.org"), "<email#1> <email#2>");
        assert_eq!(redactor.text("A@example.org 4111111111111111"), "<email#2> <card#1>");
        assert_eq!(redactor.text("4111 1111 1111 1111"), "<card#1>");
    }

    #[test]
    fn a_quote_is_cut_after_redaction() {
        let mut report = Report::default();
        let excerpt = format!("{}4111 1111 1111 1111 and more\u{1b}[0m", "x ".repeat(145));
        report.findings.push(Finding { evidence: vec![Quote { excerpt, ..Quote::default() }], ..Finding::default() });
        redact(&mut report);
        let excerpt = &report.findings[0].evidence[0].excerpt;
        assert!(excerpt.ends_with("<card#1> …") || excerpt.ends_with("<card#1>…"), "{excerpt}");
        assert_eq!(excerpt.chars().count(), 300);
    }

    #[test]
    fn long_and_broken_texts_are_scanned_in_linear_time() {
        for piece in [
            "password",
            "password:",
            "authorization: digest x ",
            "4111 ",
            "eyJ",
            "a@",
            "://a:",
            "\\\"",
            "DE89 ",
            "Cookie: ",
            "-----BEGIN PRIVATE KEY-----",
            "token=\"",
        ] {
            let text = piece.repeat(200_000 / piece.len());
            let started = std::time::Instant::now();
            let _ = redacted(&text);
            assert!(started.elapsed().as_secs() < 20, "{piece} takes too long");
        }
    }
}
