//! A request as a log line of one of its two ends, or of a gateway between them, tells it.

use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::table::row;
use crate::model::time::Time;

row! {
    /// A request that was answered, or given up, as an access log or an application's own record of a request says.
    Request {
        /// When it ended, or was logged.
        time: Time,
        /// How long it took in nanoseconds, if the record says.
        nanos: Option<u64>,
        /// Trace.
        trace: TraceId,
        /// Who logged it.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// Who was asked, if the record is the caller's or a gateway's: upstream address, cluster or host.
        peer: Sym,
        /// `POST /orders/{id}`.
        operation: Sym,
        /// Who asked: address or name.
        client: Sym,
        /// Short words of the server about how it ended: Envoy's response flags, HAProxy's termination state, an error's type.
        flags: Sym,
        /// Identity of the request: method, raw path and query.
        fingerprint: u64,
        /// HTTP status; zero if there was none.
        status: u16,
        /// The last status an upstream gave; zero if none did or there is none.
        upstream_status: u16,
        /// How long upstreams took in nanoseconds, if the record says.
        upstream_nanos: Option<u64>,
        /// How many upstreams were tried; zero if the record does not say.
        upstream_attempts: u16,
        /// Request body in bytes, if the record says.
        request_bytes: Option<u64>,
        /// Response body in bytes, if the record says.
        response_bytes: Option<u64>,
        /// Whether the record is the caller's account of a call to `peer`, not the account of who was called.
        is_call: bool,
        /// Whether an access log says it, which has a line for every request; other records may tell only some.
        is_access: bool,
        /// Where.
        evidence: Evidence,
    }
}

impl Request {
    /// When it began, as far as the record tells.
    #[must_use]
    pub fn start(&self) -> Time {
        self.time.plus(-i64::try_from(self.nanos.unwrap_or(0)).unwrap_or(0))
    }

    /// Whether the server failed it.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status >= 500
    }
}
