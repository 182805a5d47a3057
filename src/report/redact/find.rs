//! Where the secrets of a text are.
//!
//! Each kind has its finder; what overlaps is settled afterwards: a hit inside another is dropped, a wider one takes over,
//! and of two that are equal the earlier finder names the kind. Numbers and tokens must stand alone: a card number inside
//! a longer token is part of an id.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::checks;
use super::gate::Finders;

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Private key in PEM armour.
    PrivateKey,
    /// JSON web token.
    Jwt,
    /// Credentials of an HTTP request.
    Token,
    /// Password or key under its name.
    Secret,
    /// Access key of a cloud or a code host, known by its prefix.
    AccessKey,
    /// E-mail address.
    Email,
    /// Bank account.
    Iban,
    /// Payment card number.
    Card,
}

impl Kind {
    /// As it stands in the tag.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::PrivateKey => "private-key",
            Kind::Jwt => "jwt",
            Kind::Token => "token",
            Kind::Secret => "secret",
            Kind::AccessKey => "access-key",
            Kind::Email => "email",
            Kind::Iban => "iban",
            Kind::Card => "card",
        }
    }

    /// The value without differences of spelling.
    pub(super) fn canonical(self, value: &str) -> String {
        match self {
            Kind::Card => value.chars().filter(char::is_ascii_digit).collect(),
            Kind::Iban => value.chars().filter(|c| *c != ' ').collect(),
            Kind::Email => value.replace("%40", "@").to_lowercase(),
            _ => value.to_owned(),
        }
    }
}

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Its bytes.
    pub(super) range: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// All secrets of a text, in order, none overlapping another.
pub(super) fn secrets(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut add = |kind: Kind, range: Range<usize>| {
        if !range.is_empty() {
            hits.push(Hit { range, kind });
        }
    };
    let worth = Finders::of(text);
    let mut all = |regex: &LazyLock<Regex>, kind: Kind, finder: Finders| {
        if worth.has(finder) {
            regex.find_iter(text).for_each(|m| add(kind, m.range()));
        }
    };
    all(&PEM, Kind::PrivateKey, Finders::PEM);
    all(&JWT, Kind::Jwt, Finders::JWT);
    all(&ACCESS_KEY, Kind::AccessKey, Finders::ACCESS_KEY);
    header_credentials(text, worth, &mut add);
    url_credentials(text, worth, &mut add);
    named_secrets(text, worth, &mut add);
    if worth.has(Finders::COOKIE) {
        cookies(text, &mut add);
    }
    if worth.has(Finders::EMAIL) {
        emails(text, &mut add);
    }
    if worth.has(Finders::CARD) {
        numbers(text, &mut add);
    }
    if worth.has(Finders::IBAN) {
        ibans(text, &mut add);
    }
    settled(hits)
}

/// Of hits in the order of the finders: no overlap, earlier finders and wider hits first.
fn settled(mut hits: Vec<Hit>) -> Vec<Hit> {
    // The sort is stable: of two equal hits the one of the earlier finder stays in front.
    hits.sort_by(|a, b| a.range.start.cmp(&b.range.start).then(b.range.end.cmp(&a.range.end)));
    let mut out: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        match out.last_mut() {
            Some(last) if hit.range.start < last.range.end => last.range.end = last.range.end.max(hit.range.end),
            _ => out.push(hit),
        }
    }
    out
}

/// Compiles one of the patterns below, all of which a test compiles.
fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants")]
    Regex::new(text).expect("pattern compiles")
}

/// Every match in the text, if it is worth looking; if not, the pattern is not even compiled.
fn matches<'t>(regex: &'static LazyLock<Regex>, text: &'t str, worth: bool) -> impl Iterator<Item = Captures<'t>> {
    worth.then(|| regex.captures_iter(text)).into_iter().flatten()
}

static PEM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----(?s:.*?)(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----|\z)")
});

/// Two parts suffice: a quote may be cut. The first alone does if it begins as headers do ("alg", "typ", "kid", "cty", "enc", "zip").
static JWT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\beyJ(?:[A-Za-z0-9_-]{7,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}|(?:hbGci|0eXAi|raWQi|jdHki|lbmMi|6aXAi)[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,4})",
    )
});

/// Each vendor's keys have a beginning of their own.
static ACCESS_KEY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}\b|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|AIza[A-Za-z0-9_-]{35}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|hv[sb]\.[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,}|dop_v1_[a-f0-9]{40,}|whsec_[A-Za-z0-9]{16,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{16,}|sk-(?:(?:proj|svcacct|admin|ant|or)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{32,})|hf_[A-Za-z0-9]{24,}|pypi-[A-Za-z0-9_-]{40,}|[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}|xapp-[A-Za-z0-9-]{20,}|shp(?:at|ss|ca|pa)_[A-Fa-f0-9]{32}|dapi[a-f0-9]{32}|glsa_[A-Za-z0-9_]{30,}|NRAK-[A-Z0-9]{20,}|ATATT3[A-Za-z0-9_=-]{40,}|lin_api_[A-Za-z0-9]{30,}|PMAK-[A-Fa-f0-9-]{40,}|AGE-SECRET-KEY-1[A-Z0-9]{40,}|[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}|hooks\.slack\.com/services/[A-Za-z0-9/_-]{20,})",
    )
});

static AUTHORIZATION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)\bauthorization\\*["']?\s{0,3}[:=]\s{0,3}[\[(]?\\*["']?(?:(digest|aws4-hmac-sha256|hawk|oauth|signature)\s+|(basic|bearer|negotiate|ntlm|token|apikey|api-key)\s+)?([^\s"'\\,;\])}<]+)"#,
    )
});

static BEARER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/-]{8,}=*)"));

/// `Authorization` headers and bare bearer or basic credentials.
fn header_credentials(text: &str, worth: Finders, add: &mut impl FnMut(Kind, Range<usize>)) {
    let mut done = 0;
    for found in matches(&AUTHORIZATION, text, worth.has(Finders::AUTHORIZATION)) {
        let Some(value) = found.get(3) else { continue };
        if value.start() < done || checks::is_placeholder(value.as_str()) {
            continue;
        }
        if found.get(1).is_some() {
            // These carry several parameters: everything up to the end of the line goes.
            let end = text[value.start()..].find(['\n', '\r']).map_or(text.len(), |at| value.start() + at);
            add(Kind::Token, value.start()..end);
            done = end;
        } else if found.get(2).is_some() && !checks::is_prose(value.as_str()) || checks::is_token(value.as_str()) {
            add(Kind::Token, value.range());
        }
    }
    for found in matches(&BEARER, text, worth.has(Finders::BEARER)) {
        if let Some(value) = found.get(1)
            && checks::is_token(value.as_str())
        {
            add(Kind::Token, value.range());
        }
    }
}

static USER_INFO: LazyLock<Regex> = LazyLock::new(|| pattern(r#"[A-Za-z][A-Za-z0-9+.-]{0,30}://([^\s/?#:@"'<>\\]*)(?::([^\s/?#"'<>\\]+))?@"#));
static ORACLE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i):thin:[^\s/@"']+/([^\s@"']+)@"#));

/// Passwords, and tokens in the place of the user, before the host of a URL.
fn url_credentials(text: &str, worth: Finders, add: &mut impl FnMut(Kind, Range<usize>)) {
    for found in matches(&USER_INFO, text, worth.has(Finders::USER_INFO)) {
        match (found.get(1), found.get(2)) {
            (_, Some(password)) if !checks::is_placeholder(password.as_str()) => add(Kind::Secret, password.range()),
            (Some(user), None) if user.len() >= 16 && checks::is_token(user.as_str()) => add(Kind::Secret, user.range()),
            _ => {}
        }
    }
    for found in matches(&ORACLE, text, worth.has(Finders::ORACLE)) {
        if let Some(password) = found.get(1) {
            add(Kind::Secret, password.range());
        }
    }
}

/// Names whose value is a secret, whatever stands before them in the key: `spring.datasource.password`, `clientSecret`.
const NAMES: &str = r"(?:password|passwd|passphrase|passcode|\bpwd|_pwd|secret|credentials?|\btoken|[a-z_.-]token|(?:api|access|account|secret|private|shared|encryption|signing|master|subscription|licen[cs]e|auth)[_.-]?key|jsessionid|phpsessid|session[_-]?token|\bsession(?:[_.-]?id)?|\bsid|\bpass|\bpin|\botp|\bcv[vc]2?|\bssn|\bsig|signature)(?:[_-]?(?:hash|value))?";

static NAMED: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r#"(?i)({NAMES})\\*["']?\s{{0,3}}(=>|:=|[:=])(\s{{0,3}})\[?"#)));
static FLAG: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r#"(?i)--[a-z-]*?(?:{NAMES})[ \t]+([^\s"'-][^\s"']*)"#)));
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?i)<[\w:.-]*?(?:{NAMES})>([^<>]+)</")));

/// `name=value`, `name: value`, JSON, flags of commands and XML elements whose name says that the value is secret.
fn named_secrets(text: &str, worth: Finders, add: &mut impl FnMut(Kind, Range<usize>)) {
    // A name inside a value that has been read is part of that value; reading it again would be quadratic.
    let mut done = 0;
    for found in matches(&NAMED, text, worth.has(Finders::NAMED)) {
        let (Some(whole), Some(name), Some(sign), Some(gap)) = (found.get(0), found.get(1), found.get(2), found.get(3)) else { continue };
        if whole.start() < done {
            continue;
        }
        let value = value_at(text, whole.end());
        done = value.range.end;
        let word = &text[value.range.clone()];
        let in_sentence = !value.quoted && sign.as_str() == ":" && !gap.is_empty();
        let says_nothing = checks::is_placeholder(word) || in_sentence && checks::is_prose(word);
        if !says_nothing && is_secret(name.as_str(), word, value.quoted) {
            add(Kind::Secret, value.range);
        }
    }
    let flags = matches(&FLAG, text, worth.has(Finders::FLAG));
    for found in flags.chain(matches(&ELEMENT, text, worth.has(Finders::ELEMENT))) {
        if let Some(value) = found.get(1)
            && !checks::is_placeholder(value.as_str())
        {
            add(Kind::Secret, value.range());
        }
    }
}

/// Whether the value can be meant, for names that are also used otherwise.
fn is_secret(name: &str, value: &str, quoted: bool) -> bool {
    let number = value.len() < 6 && value.bytes().all(|b| b.is_ascii_digit());
    match name.to_ascii_lowercase().as_str() {
        "pwd" => !value.starts_with('/'),
        "pin" | "otp" => (4..=8).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit()),
        "cvv" | "cvc" | "cvv2" | "cvc2" => number,
        "ssn" => value.bytes().any(|b| b.is_ascii_digit()),
        "sig" | "signature" => checks::is_token(value),
        "session" | "sessionid" | "session_id" | "session-id" | "session.id" | "sid" => value.len() >= 16 && checks::is_token(value),
        "pass" => !number && (quoted || value.len() > 3),
        name if name.ends_with("token") => !number,
        _ => true,
    }
}

/// The value of a key.
struct Value {
    range: Range<usize>,
    quoted: bool,
}

/// Reads the value that begins at a byte: up to the closing quote, which in JSON inside JSON has backslashes before it,
/// or up to what separates it from the next key.
fn value_at(text: &str, start: usize) -> Value {
    let bytes = text.as_bytes();
    let slashes = bytes[start..].iter().take_while(|b| **b == b'\\').count();
    if let Some(&quote @ (b'"' | b'\'')) = bytes.get(start + slashes) {
        let first = start + slashes + 1;
        let mut run = 0;
        for (at, &byte) in bytes.iter().enumerate().skip(first) {
            if byte == b'\\' {
                run += 1;
                continue;
            }
            if byte == quote && (if slashes == 0 { run % 2 == 0 } else { run <= slashes }) {
                return Value { range: first..at - run.min(slashes), quoted: true };
            }
            // Unquoted prose may hold a single quote; a secret does not run over lines.
            if byte == b'\n' {
                return Value { range: first..at, quoted: true };
            }
            run = 0;
        }
        return Value { range: first..bytes.len(), quoted: true };
    }
    let stop =
        |at: usize| matches!(bytes[at], b' ' | b'\t' | b'\n' | b'\r' | b',' | b';' | b'&' | b'"' | b'\'' | b'\\') || bytes[at..].starts_with(b"</");
    let end = (start..bytes.len()).find(|&at| stop(at)).unwrap_or(bytes.len());
    let kept = text[start..end].trim_end_matches([')', ']', '}', '.', ':']).len();
    Value { range: start..start + kept, quoted: false }
}

static COOKIE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)\b(?:set-)?cookie\\*["']?\s{0,3}[:=]\s{0,3}[\[(]?\\*["']?([^"'\n\r\\\])<]+)"#));

/// The whole of `Cookie` and `Set-Cookie`.
fn cookies(text: &str, add: &mut impl FnMut(Kind, Range<usize>)) {
    for found in COOKIE.captures_iter(text) {
        if let Some(value) = found.get(1)
            && value.as_str().contains('=')
        {
            add(Kind::Secret, value.range());
        }
    }
}

static EMAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"([A-Za-z0-9._+-]{1,64})(?:@|%40)((?:[A-Za-z0-9-]{1,63}\.){1,8})[A-Za-z]{2,24}\b"));

/// E-mail addresses; not object identities, versions, processes on hosts, or users in URLs.
fn emails(text: &str, add: &mut impl FnMut(Kind, Range<usize>)) {
    for found in EMAIL.captures_iter(text) {
        let (Some(whole), Some(local), Some(domain)) = (found.get(0), found.get(1), found.get(2)) else { continue };
        let host = domain.as_str().split('.').next().unwrap_or_default();
        let is_hex = host.bytes().all(|b| b.is_ascii_hexdigit()) && host.bytes().any(|b| b.is_ascii_digit());
        let class = local.as_str().rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_uppercase()));
        let version = host.bytes().all(|b| b.is_ascii_digit());
        let process = local.len() <= 7 && local.as_str().bytes().all(|b| b.is_ascii_digit());
        let user = text[..whole.start()].ends_with("//");
        if !(is_hex && class || version || process || user) {
            add(Kind::Email, whole.range());
        }
    }
}

static DIGITS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"[0-9]{13,}|[0-9]{4}[ .-][0-9]{4}[ .-][0-9]{4}[ .-][0-9]{1,4}(?:[ .-][0-9]{1,3})?\b|[0-9]{4}[ .-][0-9]{6}[ .-][0-9]{4,5}\b")
});

/// Card numbers, with or without gaps, that stand alone.
fn numbers(text: &str, add: &mut impl FnMut(Kind, Range<usize>)) {
    for found in DIGITS.find_iter(text) {
        let Some(end) = card_end(found.as_str()) else { continue };
        let range = found.start()..found.start() + end;
        if stands_alone(text.as_bytes(), &range) && !is_an_id(text, &range) {
            add(Kind::Card, range);
        }
    }
}

/// Endings of files; a number before one is part of a name.
const ENDINGS: &[&str] = &[
    "avro", "bak", "bin", "csv", "dat", "db", "gz", "hprof", "idx", "index", "jfr", "json", "log", "orc", "parquet", "pb", "snapshot", "sql", "sst",
    "tmp", "txt", "wal", "xml", "yaml", "yml", "zip", "zst",
];
/// What ungrouped numbers of a key are that ends so; `card_id` is still a card.
const ID_KEYS: &[&str] =
    &["id", "uid", "uuid", "offset", "ts", "time", "timestamp", "nanos", "nano", "seq", "sequence", "bytes", "size", "hash", "epoch"];
/// Words that say that a number is a card's.
const CARD_WORDS: &[&str] = &["card", "pan", "visa", "maestro", "payment"];

/// Whether a number in one piece is more likely an id, a count or a part of a file's name: signed, before an ending, under a key that
/// says so, or so long that hardly any card is, with no word about cards before it.
fn is_an_id(text: &str, range: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    if bytes[range.clone()].iter().any(|b| !b.is_ascii_digit()) {
        return false;
    }
    let before = &bytes[..range.start];
    let signed = before.last() == Some(&b'-') && before.iter().nth_back(1).is_none_or(|b| !b.is_ascii_alphanumeric());
    let ending = bytes.get(range.end) == Some(&b'.')
        && ENDINGS.iter().any(|ending| {
            let rest = &bytes[range.end + 1..];
            rest.starts_with(ending.as_bytes()) && rest.get(ending.len()).is_none_or(|b| !b.is_ascii_alphanumeric())
        });
    // Some bytes before the number are enough; a text may be cut there within a letter.
    let near = String::from_utf8_lossy(&before[before.len().saturating_sub(40)..]).to_ascii_lowercase();
    let of_card = CARD_WORDS.iter().any(|word| near.contains(word));
    let key = near.trim_end_matches(['"', '\'', '\\', ' ', '[']).strip_suffix(['=', ':']).map(|key| key.trim_end_matches(['"', '\'', '\\', ' ']));
    let last = key.and_then(|key| key.rsplit(|c: char| !c.is_ascii_alphanumeric()).next()).unwrap_or_default();
    let id_key = ID_KEYS.contains(&last) || last.ends_with("id") && last.len() > 4;
    signed || ending || !of_card && (id_key || range.len() >= 17)
}

/// Where the card number ends that a match begins with. The last group may be a number of its own: `4111 1111 1111 1111 12 left`.
fn card_end(found: &str) -> Option<usize> {
    let gap = found.bytes().find(|b| !b.is_ascii_digit());
    if found.bytes().any(|b| !b.is_ascii_digit() && Some(b) != gap) {
        return None;
    }
    let digits: Vec<u8> = found.bytes().filter(u8::is_ascii_digit).collect();
    if checks::is_card(&digits) {
        return Some(found.len());
    }
    let last = found.rfind(|c: char| !c.is_ascii_digit())?;
    let shorter: Vec<u8> = found[..last].bytes().filter(u8::is_ascii_digit).collect();
    checks::is_card(&shorter).then_some(last)
}

/// Whether neither side continues a token, a fraction or a group of numbers.
fn stands_alone(bytes: &[u8], range: &Range<usize>) -> bool {
    let grouped = bytes[range.clone()].iter().any(|b| !b.is_ascii_digit());
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
    let before = bytes[..range.start].last().copied().unwrap_or(b' ');
    let before_that = bytes[..range.start].iter().nth_back(1).copied().unwrap_or(b' ');
    let after = bytes.get(range.end).copied().unwrap_or(b' ');
    let after_that = bytes.get(range.end + 1).copied().unwrap_or(b' ');
    let joins = |sign: u8, outer: u8| match sign {
        b'.' => outer.is_ascii_digit(),
        b'-' => {
            if grouped {
                word(outer)
            } else {
                outer.is_ascii_digit()
            }
        }
        _ => false,
    };
    !word(before) && !word(after) && !joins(before, before_that) && !joins(after, after_that)
}

static IBAN_START: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[A-Z]{2}[0-9]{2}"));

/// Account numbers of known countries with valid check digits, in one piece or in groups of four.
fn ibans(text: &str, add: &mut impl FnMut(Kind, Range<usize>)) {
    let bytes = text.as_bytes();
    for found in IBAN_START.find_iter(text) {
        let Some(length) = checks::iban_length(&bytes[found.start()..found.start() + 2]) else { continue };
        let mut value = Vec::with_capacity(length);
        let mut at = found.start();
        while let Some(&byte) = bytes.get(at)
            && value.len() < length
        {
            match byte {
                b'A'..=b'Z' | b'0'..=b'9' => value.push(byte),
                b' ' if value.len().is_multiple_of(4) && bytes.get(at - 1) != Some(&b' ') => {}
                _ => break,
            }
            at += 1;
        }
        let ends = bytes.get(at).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
        if value.len() == length && ends && checks::is_iban(&value) {
            add(Kind::Iban, found.start()..at);
        }
    }
}
