//! Secrets among settings: the value of a key that names one, and credentials inside other values, become `***`.
//!
//! ```text
//! spring.datasource.password=hunter2               ***
//! spring.datasource.url=postgres://u:p@db/shop     postgres://u:***@db/shop
//! jwt.token-validity=5m                            5m: it is about tokens, and is none
//! ```
//!
//! What this file does not do: the report's own redaction, which also covers the quoted lines.

use std::borrow::Cow;

/// Parts of a key's last word whose value is secret whatever it looks like.
const SECRET: &[&str] = &["password", "passwd", "pwd", "passphrase", "secret", "credential"];
/// Endings of a key's last word whose value is secret unless it is a plain setting.
const LIKELY: &[&str] = &["token", "key", "authorization", "cookie", "apikey", "keys", "tokens", "auth", "dsn", "sas", "salt"];
/// What tokens of well-known services begin with.
const PREFIXES: &[&str] = &["eyJ", "AKIA", "ASIA", "ghp_", "gho_", "glpat-", "xox", "sk_live_", "sk_test_", "hvs.", "-----BEGIN"];

/// The value, or what may be told of it.
pub fn masked<'v>(key: &str, value: &'v str) -> Cow<'v, str> {
    let plain = value.trim();
    if plain.is_empty() || is_reference(plain) {
        return Cow::Borrowed(value);
    }
    let word = key.rsplit('.').next().unwrap_or(key).split('[').next().unwrap_or_default();
    let in_brackets = key.rsplit_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'));
    let names = |parts: &[&str], word: &str| parts.iter().any(|part| word.contains(part));
    let ends = |word: &str| LIKELY.iter().any(|part| word.ends_with(part));
    let secret = names(SECRET, word) && !is_plain_word(plain)
        || (ends(word) || ends(in_brackets)) && !is_setting(plain)
        || names(SECRET, in_brackets)
        || PREFIXES.iter().any(|prefix| plain.trim_start_matches(['"', '\'']).starts_with(prefix));
    if secret { Cow::Borrowed("***") } else { without_credentials(value) }
}

/// `${DB_PASSWORD}`, `$http_authorization`, `{{ .Values.password }}`, `vault:...`: where the secret is, not what it is.
fn is_reference(value: &str) -> bool {
    let whole = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    whole.is_some_and(|name| !name.contains([':', '$']) || name.ends_with(':'))
        || value.strip_prefix('$').is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        || value.starts_with("{{") && value.ends_with("}}")
        || value.bytes().all(|b| b == b'*')
}

fn is_plain_word(value: &str) -> bool {
    matches!(value, "true" | "false" | "null")
}

/// Numbers, durations, switches, class names and addresses are settings about a secret.
fn is_setting(value: &str) -> bool {
    is_plain_word(value)
        || value.len() <= 8 && value.starts_with(|c: char| c.is_ascii_digit())
        || (value.starts_with("http://") || value.starts_with("https://") || value.starts_with("classpath:")) && !value.contains('@')
        || value.starts_with("org.")
        || value.starts_with("com.")
}

/// A URL without the password in front of the host and in its parameters.
fn without_credentials(value: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(value);
    if let Some(scheme) = value.find("://") {
        let rest = &value[scheme + 3..];
        let authority = &rest[..rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len())];
        if let Some((user, _)) = authority.rsplit_once('@')
            && let Some((name, _)) = user.split_once(':')
        {
            out = Cow::Owned(value.replacen(&format!("{user}@"), &format!("{name}:***@"), 1));
        }
    }
    for name in ["password=", "pwd=", "secret=", "sig=", "access_token="] {
        let lower = out.to_ascii_lowercase();
        if let Some(at) = lower.find(name) {
            let from = at + name.len();
            let to = out.get(from..).and_then(|rest| rest.find(['&', ';', ' ', '"', ','])).map_or(out.len(), |len| from + len);
            let replaced = format!("{}***{}", out.get(..from).unwrap_or_default(), out.get(to..).unwrap_or_default());
            out = Cow::Owned(replaced);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_settings_kept() {
        for (key, value, want) in [
            ("spring.datasource.password", "hunter2", "***"),
            ("spring.datasource.password", "12345", "***"),
            ("spring.datasource.password", "${DB_PASSWORD}", "${DB_PASSWORD}"),
            ("spring.datasource.password", "${DB_PASSWORD:hunter2}", "***"),
            ("aws.secretaccesskey", "wJalrXUtnFEMI", "***"),
            ("payment.apikey", "live_8f3a", "***"),
            ("jwt.tokenvalidity", "5m", "5m"),
            ("spring.kafka.consumer.keydeserializer", "org.apache.X", "org.apache.X"),
            ("security.token", "3600", "3600"),
            ("db.url", "postgres://u:p%40ss@db/shop", "postgres://u:***@db/shop"),
            ("db.url", "jdbc:mysql://db/shop?user=u&password=p&x=1", "jdbc:mysql://db/shop?user=u&password=***&x=1"),
            ("nginx.location[/].proxysetheader[authorization]", "Basic dTpw", "***"),
            ("nginx.location[/].proxysetheader[authorization]", "$http_authorization", "$http_authorization"),
            ("app.note", "eyJhbGciOiJIUzI1NiJ9.e30.x", "***"),
            ("spring.jpa.openinview", "true", "true"),
            ("redis.url", "redis://app:geheim@cache:6379/0", "redis://app:***@cache:6379/0"),
            ("pay.url", "http://pay/a@b", "http://pay/a@b"),
            ("db.connection", "host=db password=geheim", "host=db password=***"),
            ("java.opts", "-Xmx1g", "-Xmx1g"),
        ] {
            assert_eq!(masked(key, value), want, "{key}={value}");
        }
    }
}
