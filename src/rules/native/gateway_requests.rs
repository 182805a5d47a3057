//! Requests of gateways that have spans and no access log, as rows of one kind with those that have one.
//!
//! A span below the gateway's own says that somebody behind it was asked. Only services whose name says that they stand in
//! front of others count: a service that answers without asking anybody is nothing special. What this file does not do:
//! spans of services that have an access log too.

use crate::correlate::Case;
use crate::model::ids::SpanId;
use crate::model::names::Sym;
use crate::model::request::Request;
use crate::model::tables::Span;
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use std::collections::BTreeSet;

/// Words in the names of services that pass requests on.
const WORDS: &[&str] = &["gateway", "gw", "apigw", "ingress", "edge", "proxy", "router", "lb"];

/// Whether a service stands in front of others, by its name.
fn is_gateway(name: &str) -> bool {
    name.split(['-', '_', '.', '/']).any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// What gateways without an access log were asked.
pub fn of_spans(case: &Case) -> Vec<Request> {
    let logged: BTreeSet<Sym> = case.tables.requests.iter().map(|row| row.service).collect();
    let serving: BTreeSet<Sym> = case.tables.spans.iter().filter(|span| span.is_incoming()).map(|span| span.service).collect();
    let gateways: BTreeSet<Sym> =
        serving.into_iter().filter(|service| !logged.contains(service) && is_gateway(case.tables.names.get(*service))).collect();
    let mut rows = Vec::new();
    if gateways.is_empty() {
        return rows;
    }
    for trace in case.tables.spans.chunk_by(|a, b| a.trace == b.trace) {
        let asking: HashSet<SpanId, FixedState> =
            trace.iter().filter(|span| span.is_outgoing() || !gateways.contains(&span.service)).map(|span| span.parent).collect();
        for span in trace.iter().filter(|span| span.is_incoming() && span.http_status > 0 && gateways.contains(&span.service)) {
            rows.push(row(span, asking.contains(&span.id)));
        }
    }
    rows
}

fn row(span: &Span, asked: bool) -> Request {
    Request {
        time: span.end(),
        nanos: Some(span.nanos),
        trace: span.trace,
        service: span.service,
        instance: span.instance,
        peer: Sym::NONE,
        operation: span.operation.or(span.name),
        client: Sym::NONE,
        flags: Sym::NONE,
        fingerprint: span.fingerprint,
        status: span.http_status,
        upstream_status: 0,
        upstream_nanos: None,
        upstream_attempts: u16::from(asked),
        request_bytes: None,
        response_bytes: None,
        is_call: false,
        is_access: false,
        evidence: span.evidence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::case;

    #[test]
    fn names_of_gateways() {
        assert!(is_gateway("api-gateway") && is_gateway("edge_proxy") && is_gateway("gw"));
        assert!(!is_gateway("web") && !is_gateway("gatekeeper") && !is_gateway("orders"));
    }

    #[test]
    fn a_span_below_says_that_somebody_was_asked() {
        let case = case(
            "t1\n  gateway GET /a 0-10 200\n    > web GET /a 1-9 200\n      web GET /a 2-8 200\nt2\n  gateway GET /b 0-1 413\nt3\n  web GET /c 0-1 400\n",
        );
        let told: Vec<_> =
            of_spans(&case).iter().map(|row| (case.tables.names.get(row.operation).to_owned(), row.status, row.upstream_attempts)).collect();
        let mut told = told;
        told.sort();
        assert_eq!(told, [("GET /a".to_owned(), 200, 1), ("GET /b".to_owned(), 413, 0)]);
    }
}
