//! Numbers as people read them: `1,846.30 EUR`, `2.1 s`, `7 min 25 s`, `1.2 MiB`, `59.7 % of calls`, `1 call`.
//!
//! One wording for sentences and for outputs: thousands are separated, and nobody reads a fourth digit, except of money.
//! What this file does not do: exact values. Those are in the measures.

use std::fmt::Write as _;

/// `1,234,567`.
#[must_use]
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// `1 call`, `1,200 calls`.
#[must_use]
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// A number with no more digits than are read: `1,846`, `59.7`, `4.56`, `0.041`.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let decimals = match value.abs() {
        s if s >= 1e15 => return format!("{value:.3e}"),
        s if s >= 999.5 || s == 0.0 => 0,
        s if s >= 9.995 => 1,
        s if s >= 0.0995 => 2,
        s if s >= 0.001 => 4,
        _ => return format!("{value:.2e}"),
    };
    grouped(&trimmed(value, decimals))
}

/// A measured value with its unit: `37 charges`, `1,846.30 EUR`, `2.1 s`, `1.2 MiB`, `7.5 %`.
#[must_use]
pub fn measured(value: f64, unit: &str) -> String {
    match unit {
        "ns" => millis(value / 1e6),
        "ms" | "milliseconds" => millis(value),
        "s" | "seconds" => millis(value * 1e3),
        "min" | "minutes" => millis(value * 60e3),
        "h" | "hours" => millis(value * 3600e3),
        "bytes" | "B" => bytes_f(value),
        "KiB" => bytes_f(value * 1024.0),
        "MiB" => bytes_f(value * 1_048_576.0),
        "%" | "percent" => format!("{} %", number(value)),
        "" | "1" | "ratio" => number(value),
        _ if is_currency(unit) => format!("{} {unit}", money(value)),
        _ => match unit.strip_prefix("percent of ") {
            Some(whole) => format!("{} % of {whole}", number(value)),
            None if (value - 1.0).abs() < f64::EPSILON => format!("1 {}", singular(unit)),
            None => format!("{} {unit}", number(value)),
        },
    }
}

/// Whether a unit is a currency, by its three letters.
#[must_use]
pub fn is_currency(unit: &str) -> bool {
    unit.len() == 3 && unit.bytes().all(|b| b.is_ascii_uppercase())
}

/// A sum of money, always with cents.
#[must_use]
pub fn money(value: f64) -> String {
    if value.is_finite() && value.abs() < 1e15 { grouped(&format!("{value:.2}")) } else { number(value) }
}

/// The unit of one: `call` of `calls`, `change of state` of `changes of state`.
fn singular(unit: &str) -> String {
    let (first, rest) = unit.split_once(' ').map_or((unit, ""), |(first, _)| (first, &unit[first.len()..]));
    let cut = |end: &str| first.strip_suffix(end).filter(|stem| !stem.is_empty());
    let one = match first {
        "extra" | "smallest" | "full" | "" => return unit.to_owned(),
        _ if first.ends_with("ss") => first.to_owned(),
        _ => match (cut("ies"), cut("es").filter(|stem| stem.ends_with("ss") || stem.ends_with("ch") || stem.ends_with("sh") || stem.ends_with('x')))
        {
            (Some(stem), _) => format!("{stem}y"),
            (None, Some(stem)) => stem.to_owned(),
            (None, None) => cut("s").unwrap_or(first).to_owned(),
        },
    };
    one + rest
}

/// A length of time: `0.4 ms`, `812 ms`, `2.1 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn millis(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    if value < 0.0 {
        return format!("-{}", millis(-value));
    }
    let pair = |unit: f64, big: &str, small_unit: f64, small: &str| {
        let total = (value / small_unit).round();
        let per = unit / small_unit;
        let (whole, part) = ((total / per).floor(), total % per);
        if part == 0.0 { format!("{} {big}", number(whole)) } else { format!("{} {big} {part:.0} {small}", number(whole)) }
    };
    match value {
        v if v == 0.0 || (99.5..999.5).contains(&v) => format!("{v:.0} ms"),
        v if v < 0.001 => format!("{} ns", trimmed(v * 1e6, 0)),
        v if v < 99.5 => format!("{} ms", trimmed(v, if v < 1.0 { 3 } else { 1 })),
        v if v < 59_950.0 => format!("{} s", trimmed(v / 1000.0, if v < 9_995.0 { 2 } else { 1 })),
        v if v < 3_599_500.0 => pair(60_000.0, "min", 1000.0, "s"),
        v if v < 86_370_000.0 => pair(3_600_000.0, "h", 60_000.0, "min"),
        _ => pair(86_400_000.0, "d", 3_600_000.0, "h"),
    }
}

/// `512 B`, `1.2 MiB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    bytes_f(value as f64)
}

/// As [`bytes`], for measured values.
#[must_use]
pub fn bytes_f(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let mut size = value.abs();
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if size < 1023.5 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{} {unit}", trimmed(size, if size < 10.0 && unit != "B" { 2 } else { usize::from(size < 100.0 && unit != "B") }))
}

/// A part of a whole in percent: `7.5 %`, `< 0.1 %`, and never `100 %` or `0 %` unless it is all or nothing.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    if part >= whole {
        return "100 %".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let percent = part as f64 / whole as f64 * 100.0;
    match percent {
        p if p < 0.1 => "< 0.1 %".to_owned(),
        p if p > 99.9 => "> 99.9 %".to_owned(),
        p => format!("{} %", trimmed(p, if (10.0..90.0).contains(&p) { 0 } else { 1 })),
    }
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Thousands of a decimal number, separated.
#[must_use]
pub fn grouped(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    let sign = if whole == "0" && part.is_none() { "" } else { sign };
    let mut out = String::with_capacity(text.len() + text.len() / 3 + 1);
    out.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(part) = part {
        let _ = write!(out, ".{part}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (37.0, "37"),
            (1_234_567.0, "1,234,567"),
            (1846.3, "1,846"),
            (59.68, "59.7"),
            (14.126, "14.1"),
            (4.561, "4.56"),
            (0.93, "0.93"),
            (0.0412, "0.0412"),
            (0.000_42, "4.20e-4"),
            (99.999, "100"),
            (-1200.0, "-1,200"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(f64::NAN), "unknown");
    }

    #[test]
    fn units_are_scaled_and_agree_with_their_number() {
        let cases = [
            (1846.3, "EUR", "1,846.30 EUR"),
            (2100.0, "ms", "2.1 s"),
            (900.0, "ns", "900 ns"),
            (2_500_000.0, "ns", "2.5 ms"),
            (1.18, "minutes", "1 min 11 s"),
            (1024.0, "MiB", "1 GiB"),
            (37.0, "charges", "37 charges"),
            (1.0, "charges", "1 charge"),
            (1.0, "calls per request", "1 call per request"),
            (1.0, "entries", "1 entry"),
            (1.0, "misses that waited", "1 miss that waited"),
            (57.59, "percent of calls", "57.6 % of calls"),
            (37.5, "percent", "37.5 %"),
            (4.0, "", "4"),
        ];
        for (value, unit, text) in cases {
            assert_eq!(measured(value, unit), text);
        }
        assert_eq!((bytes(1_258_291).as_str(), bytes(900).as_str()), ("1.2 MiB", "900 B"));
    }

    #[test]
    fn lengths_of_time_read_well() {
        let cases = [
            (0.0, "0 ms"),
            (0.4, "0.4 ms"),
            (12.34, "12.3 ms"),
            (812.4, "812 ms"),
            (999.7, "1 s"),
            (2100.0, "2.1 s"),
            (59_960.0, "1 min"),
            (712_000.0, "11 min 52 s"),
            (7_500_000.0, "2 h 5 min"),
            (273_600_000.0, "3 d 4 h"),
            (-5.0, "-5 ms"),
        ];
        for (value, text) in cases {
            assert_eq!(millis(value), text);
        }
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(999_999, 1_000_000), "> 99.9 %");
        assert_eq!(share(90, 1200), "7.5 %");
        assert_eq!(share(5, 0), "0 %");
    }
}
