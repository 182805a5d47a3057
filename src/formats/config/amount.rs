//! Values of settings as numbers: durations to milliseconds, sizes to bytes, counts, switches.
//!
//! ```text
//! 2s    PT10S    1m30s    ${TIMEOUT:500ms}    30000            milliseconds
//! 10m   64k      1MB      512Mi               67108864         bytes
//! ```
//!
//! What this file does not do: know which of the two `10m` is; the key says that.

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Time; a bare number is milliseconds.
    Millis,
    /// Time; a bare number is seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Anything that is counted.
    Count,
    /// A switch.
    Switch,
    /// A word.
    Word,
}

impl Unit {
    /// The unit that its numbers are told in.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Millis | Self::Seconds => "ms",
            Self::Bytes => "bytes",
            Self::Count | Self::Switch | Self::Word => "",
        }
    }
}

/// The value as a number of its unit; none for words and what cannot be read.
#[must_use]
pub fn amount(value: &str, unit: Unit) -> Option<f64> {
    let value = without_placeholder(value.trim()).trim_matches(['"', '\'']);
    match unit {
        Unit::Millis => duration(value, 1.0),
        Unit::Seconds => duration(value, 1000.0),
        Unit::Bytes => size(value),
        Unit::Count => value.replace('_', "").parse().ok().filter(|n: &f64| n.is_finite()),
        Unit::Switch => match value.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(1.0),
            "false" | "off" | "no" | "0" => Some(0.0),
            _ => None,
        },
        Unit::Word => None,
    }
}

/// `${NAME:10s}` is `10s` unless somebody sets the name.
#[must_use]
pub fn without_placeholder(value: &str) -> &str {
    value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).and_then(|inner| inner.split_once(':')).map_or(value, |(_, default)| default)
}

fn duration(value: &str, bare: f64) -> Option<f64> {
    if let Ok(number) = value.parse::<f64>() {
        return Some(number * bare).filter(|n| n.is_finite());
    }
    let iso = value.len() > 2 && value.as_bytes()[0].eq_ignore_ascii_case(&b'p');
    let lower = value.to_ascii_lowercase();
    let text = if iso { lower.trim_start_matches('p').replace('t', "") } else { lower };
    parts(&text, |unit| {
        Some(match unit {
            "ns" => 1e-6,
            "us" | "\u{b5}s" => 1e-3,
            "ms" | "millis" | "milliseconds" => 1.0,
            "s" | "sec" | "seconds" => 1e3,
            "m" | "min" | "minutes" => 60e3,
            "h" | "hours" => 3_600e3,
            "d" => 86_400e3,
            _ => return None,
        })
    })
}

fn size(value: &str) -> Option<f64> {
    if let Ok(number) = value.parse::<f64>() {
        return Some(number).filter(|n| n.is_finite());
    }
    parts(&value.to_ascii_lowercase(), |unit| {
        Some(match unit.trim_end_matches('b').trim_end_matches('i') {
            "" => 1.0,
            "k" => 1024.0,
            "m" => 1_048_576.0,
            "g" => 1_073_741_824.0,
            "t" => 1_099_511_627_776.0,
            _ => return None,
        })
    })
}

/// The sum of numbers with units, one after the other.
fn parts(text: &str, scale: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut rest = text.trim();
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == ' ').unwrap_or(rest.len());
        sum += number * scale(&rest[..letters])?;
        rest = rest[letters..].trim_start();
    }
    (!text.trim().is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_switches() {
        for (value, unit, want) in [
            ("2s", Unit::Millis, Some(2000.0)),
            ("PT1M30S", Unit::Millis, Some(90_000.0)),
            ("1m 30s", Unit::Millis, Some(90_000.0)),
            ("30000", Unit::Millis, Some(30_000.0)),
            ("60", Unit::Seconds, Some(60_000.0)),
            ("${TIMEOUT:500ms}", Unit::Millis, Some(500.0)),
            ("\"0.25s\"", Unit::Millis, Some(250.0)),
            ("10m", Unit::Bytes, Some(10_485_760.0)),
            ("1MB", Unit::Bytes, Some(1_048_576.0)),
            ("512Mi", Unit::Bytes, Some(536_870_912.0)),
            ("67108864", Unit::Bytes, Some(67_108_864.0)),
            ("1_000", Unit::Count, Some(1000.0)),
            ("on", Unit::Switch, Some(1.0)),
            ("", Unit::Millis, None),
            ("${TIMEOUT}", Unit::Millis, None),
            ("soon", Unit::Millis, None),
            ("5 parsecs", Unit::Millis, None),
        ] {
            assert_eq!(amount(value, unit), want, "{value}");
        }
    }
}
