//! How a call failed: whether the other side may have done the work all the same.
//!
//! A call that timed out leaves the outcome open, so repeating it may do the work twice; one that was refused was surely
//! not executed. The words are those of `error.type`, exception types and status messages of common clients.
//!
//! What this file does not do: read log messages; their wording is data, in `rules/signals`.

use crate::model::names::Interner;
use crate::model::names::Sym;
use crate::model::record::{SpanKind, SpanStatus};
use crate::model::tables::Span;
use hashbrown::HashMap;

/// How a call ended, seen from the caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Failure {
    /// Well.
    #[default]
    None,
    /// The other side answered with an error.
    Answered,
    /// The other side surely did not do the work: refused, rejected, rate limited, no connection.
    Refused,
    /// Cut off without an answer: reset, closed, cancelled, bad gateway. The outcome is unknown.
    Cut,
    /// No answer in time. The outcome is unknown.
    TimedOut,
}

impl Failure {
    /// Whether the other side may have done the work.
    #[must_use]
    pub const fn is_ambiguous(self) -> bool {
        matches!(self, Self::Cut | Self::TimedOut)
    }
}

/// What each error of the bundle's spans means.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorWords(HashMap<Sym, Failure>);

impl ErrorWords {
    pub(crate) fn of(errors: impl Iterator<Item = Sym>, names: &Interner) -> Self {
        Self(errors.filter_map(|error| meaning(names.get(error)).map(|failure| (error, failure))).collect())
    }

    /// How the call of `caller` ended; `callee` is its other side, if that was recorded.
    pub(crate) fn judge(&self, caller: &Span, callee: Option<&Span>) -> Failure {
        let silent = caller.http_status == 0 && caller.rpc_status == 0 && caller.status == SpanStatus::Unset;
        let failed = caller.failed() || silent && caller.kind != SpanKind::Producer && callee.is_some_and(Span::failed);
        if !failed {
            return Failure::None;
        }
        let (http, rpc) =
            if silent { callee.map_or((0, 0), |callee| (callee.http_status, callee.rpc_status)) } else { (caller.http_status, caller.rpc_status) };
        match (http, rpc) {
            (504 | 408, _) | (0, 5) => Failure::TimedOut,
            (502 | 499, _) | (0, 2) => Failure::Cut,
            (503 | 429, _) | (0, 9) => Failure::Refused,
            (100.., _) | (0, 3..) => Failure::Answered,
            _ => self.0.get(&caller.error).copied().unwrap_or({
                // The caller saw an error where the other side saw none: it did not wait for the answer.
                if !silent && callee.is_some_and(|callee| !callee.failed()) { Failure::Cut } else { Failure::Answered }
            }),
        }
    }
}

fn meaning(error: &str) -> Option<Failure> {
    let error = error.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    match error.as_str() {
        "" => None,
        "504" | "408" | "deadline_exceeded" => Some(Failure::TimedOut),
        "502" | "499" => Some(Failure::Cut),
        "503" | "429" | "resource_exhausted" => Some(Failure::Refused),
        _ if has(&[
            "refused",
            "unknownhost",
            "not resolve",
            "nodename",
            "gaierror",
            "noroute",
            "unreachable",
            "callnotpermitted",
            "circuit",
            "bulkhead",
        ]) =>
        {
            Some(Failure::Refused)
        }
        _ if has(&[
            "connecttimeout",
            "connect timed out",
            "connect timeout",
            "connectexception",
            "connectionpooltimeout",
            "pooltimeout",
            "from pool",
        ]) =>
        {
            Some(Failure::Refused)
        }
        _ if has(&["timeout", "timed out", "timedout", "deadline"]) => Some(Failure::TimedOut),
        _ if has(&["reset", "prematurely", "broken pipe", "cancel", "abort", "nohttpresponse", "disconnect", "eof", "incompleteread", "closed"]) => {
            Some(Failure::Cut)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_errors_are_told_apart() {
        for (error, want) in [
            ("java.net.SocketTimeoutException", Some(Failure::TimedOut)),
            ("ReadTimeout", Some(Failure::TimedOut)),
            ("java.net.http.HttpConnectTimeoutException", Some(Failure::Refused)),
            ("java.net.ConnectException", Some(Failure::Refused)),
            ("org.apache.http.NoHttpResponseException", Some(Failure::Cut)),
            ("java.util.concurrent.CancellationException", Some(Failure::Cut)),
            ("io.github.resilience4j.circuitbreaker.CallNotPermittedException", Some(Failure::Refused)),
            ("java.lang.IllegalStateException", None),
            ("504", Some(Failure::TimedOut)),
        ] {
            assert_eq!(meaning(error), want, "{error}");
        }
    }
}
