//! Healthy look-alikes first, then the faults.

use crate::correlate::effect::fixture::Story;
use crate::model::finding::{Finding, Severity};
use crate::model::record::SpanKind::{Client, Server};
use crate::model::record::Value::{self, Int, Text};
use crate::rules::fixture::{bundle, check, rule};
use crate::rules::native::{duplicate_payment, duplicate_payment_prevented};

const RULE: &str = include_str!("../../../../rules/payments/duplicate-payment.yaml");
const PREVENTED: &str = include_str!("../../../../rules/payments/duplicate-payment-prevented.yaml");

type Fields<'a> = [(&'a str, Value<'a>)];

fn found(story: &mut Story) -> Vec<Finding> {
    story.detect(&duplicate_payment::DETECTOR, RULE)
}

fn prevented(story: &mut Story) -> Vec<Finding> {
    story.detect(&duplicate_payment_prevented::DETECTOR, PREVENTED)
}

fn measure(finding: &Finding, name: &str) -> f64 {
    finding.measures.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("{name} in {:?}", finding.measures)).value
}

fn is_quiet(story: &mut Story) {
    let found = found(story);
    assert!(found.iter().all(|f| f.severity < Severity::Medium), "{:#?}\n{:#?}", found, story.told());
}

fn charge<'a>(order: &'a str, id: &'a str) -> [(&'a str, Value<'a>); 4] {
    [("orderId", Text(order)), ("chargeId", Text(id)), ("amount", Text("49.90")), ("currency", Text("EUR"))]
}

/// The money vector of the catalogue: a charge that timed out at the caller, and a second one.
fn timed_out_then(second: &str, message: &str) -> Story {
    let mut story = Story::default();
    let caller: &Fields<'_> =
        &[("orderId", Text("O-77")), ("amount", Text("49.90")), ("currency", Text("EUR")), ("attempt", Int(1)), ("@trace", Int(1))];
    story
        .log(0.1, "checkout", "Charging order", caller)
        .log(
            3.105,
            "checkout",
            "Payment call failed: I/O error on POST request for \"http://payment/charges\": Read timed out",
            &[("orderId", Text("O-77")), ("@trace", Int(1))],
        )
        .log(3.9, "payment", "Charge succeeded", &[charge("O-77", "ch_1").as_slice(), &[("@trace", Int(1))]].concat())
        .log(4.6, "payment", message, &[charge("O-77", second).as_slice(), &[("@trace", Int(1))]].concat())
        .log(4.65, "checkout", "Order paid", &[("orderId", Text("O-77")), ("chargeId", Text(second)), ("@trace", Int(1))]);
    story
}

#[test]
fn a_replay_is_prevention_not_a_duplicate() {
    let mut story = timed_out_then("ch_1", "Idempotent replay, returning existing payment");
    is_quiet(&mut story);
    let notes = prevented(&mut story);
    assert_eq!((notes.len(), notes[0].severity, measure(&notes[0], "replays")), (1, Severity::Info, 1.0));
}

#[test]
fn equal_payments_for_two_orders_are_two_payments() {
    let mut story = Story::default();
    for (at, order) in [(0.0, "O-1"), (40.0, "O-2")] {
        story.log(
            at,
            "payment",
            "Payment accepted",
            &[("order_id", Text(order)), ("user_id", Text("U1")), ("amount", Text("4.50")), ("currency", Text("EUR"))],
        );
    }
    assert!(found(&mut story).is_empty());
}

#[test]
fn several_layers_reporting_one_charge_are_one_charge() {
    let mut story = Story::default();
    for (at, service, message) in [
        (0.0, "payment", "charge succeeded"),
        (0.1, "gateway", "payment completed"),
        (0.2, "ledger", "payment booked"),
        (0.3, "mail", "confirmation mail for paid order sent successfully"),
        (0.4, "mail", "confirmation mail for paid order sent successfully"),
    ] {
        story.log(at, service, message, &[("order_id", Text("O-5")), ("amount", Text("10.00")), ("currency", Text("EUR"))]);
    }
    assert!(found(&mut story).is_empty(), "{:#?}", story.told());
}

#[test]
fn ids_of_two_issuers_are_one_charge() {
    let mut story = Story::default();
    let psp = [("reference", Text("ord_1")), ("charge_id", Text("ch_9")), ("amount", Int(2000)), ("currency", Text("EUR"))];
    let ours = [("order_id", Text("ord_1")), ("payment_id", Text("pay_4")), ("amount_cents", Int(2000)), ("currency", Text("EUR"))];
    story.log(0.0, "psp", "charge succeeded", &psp).log(0.1, "payments", "payment charged", &ours).log(
        1.0,
        "payments",
        "webhook received",
        &[("event", Text("charge.succeeded")), psp[0], psp[1]],
    );
    assert!(found(&mut story).is_empty(), "{:#?}", story.told());
}

#[test]
fn authorize_then_capture_and_refund_are_no_duplicates() {
    let mut story = Story::default();
    for (at, message, id) in [(0.0, "Payment authorized", "au_1"), (1.0, "Payment captured", "ca_1"), (9.0, "Payment refunded", "re_1")] {
        story.log(at, "payment", message, &charge("O-8", id));
    }
    assert!(found(&mut story).is_empty(), "{:#?}", story.told());
}

#[test]
fn a_declined_charge_then_a_good_one_is_one() {
    let mut story = Story::default();
    story
        .log(0.0, "payment", "charge created", &charge("O-9", "ch_1"))
        .log(0.1, "payment", "charge declined: insufficient funds", &charge("O-9", "ch_1"))
        .log(9.0, "payment", "charge created", &charge("O-9", "ch_2"))
        .log(9.1, "payment", "charge succeeded", &charge("O-9", "ch_2"));
    assert!(found(&mut story).is_empty());
}

#[test]
fn instalments_tenants_payees_and_split_amounts_differ() {
    let mut story = Story::default();
    let base = [("order_id", Text("O-1")), ("amount", Text("20.00")), ("currency", Text("EUR"))];
    for (at, id, number) in [(0.0, "ch_1", 1), (60.0, "ch_2", 2)] {
        story.log(at, "payment", "charge succeeded", &[base.as_slice(), &[("charge_id", Text(id)), ("installment_no", Int(number))]].concat());
    }
    for (at, id, tenant) in [(100.0, "ch_3", "acme"), (101.0, "ch_4", "globex")] {
        story.log(
            at,
            "payment",
            "charge succeeded",
            &[("order_id", Text("O-2")), base[1], base[2], ("charge_id", Text(id)), ("tenant_id", Text(tenant))],
        );
    }
    for (at, id, payee) in [(200.0, "po_1", "A"), (201.0, "po_2", "B")] {
        story.log(
            at,
            "payment",
            "payout completed",
            &[("reference", Text("batch-7")), base[1], base[2], ("payout_id", Text(id)), ("payee_id", Text(payee))],
        );
    }
    for (at, id, amount) in [(300.0, "ch_5", "12.00"), (301.0, "ch_6", "8.00")] {
        story.log(at, "payment", "charge succeeded", &[("order_id", Text("O-3")), ("amount", Text(amount)), base[2], ("charge_id", Text(id))]);
    }
    assert!(found(&mut story).is_empty(), "{:#?}", found(&mut story));
}

#[test]
fn a_state_that_is_shown_again_is_no_payment() {
    let mut story = Story::default();
    for at in 0..9 {
        story.log(f64::from(at), "orders", "Loaded order 66272 status=PAID", &[]).log(
            f64::from(at),
            "orders",
            "payment status fetched for order O-1: paid",
            &[],
        );
    }
    assert!(found(&mut story).is_empty(), "{:#?}", story.told());
}

#[test]
fn the_same_coffee_twice_is_at_most_a_hint() {
    let mut story = Story::default();
    for (at, trace) in [(0.0, 1), (30.0, 2)] {
        story.log(
            at,
            "till",
            "payment accepted",
            &[("user_id", Text("U1")), ("amount", Text("4.50")), ("currency", Text("EUR")), ("@trace", Int(trace))],
        );
    }
    is_quiet(&mut story);
}

#[test]
fn a_lost_answer_and_a_success_prove_nothing_alone() {
    let mut story = Story::default();
    story
        .call(
            ("payments", Client),
            (0.0, 0.8),
            (1, 1, 0),
            "POST /v1/charges",
            0,
            &[("error.type", Text("ReadTimeout")), ("server.address", Text("psp"))],
        )
        .call(("payments", Client), (1.0, 1.1), (1, 2, 0), "POST /v1/charges", 201, &[("server.address", Text("psp"))]);
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].severity, found[0].kind.as_str()), (1, Severity::Low, "unproven"));
    assert_eq!((found[0].subject.service.as_str(), found[0].subject.peer.as_str()), ("payments", "psp"));
    // The same with the charge id beside it: it was replayed.
    story.log(
        1.1,
        "payments",
        "provider replayed the stored response",
        &[("charge_id", Text("ch_1")), ("order_id", Text("o-1")), ("@trace", Int(1))],
    );
    assert!(self::found(&mut story).is_empty());
}

#[test]
fn two_good_calls_without_a_failure_are_two_payments() {
    let mut story = Story::default();
    for (n, at) in [(1, 0.0), (3, 1.0)] {
        story.call(("orders", Client), (at, at + 0.5), (1, n, 0), "POST /charges", 201, &[]).call(
            ("payment", Server),
            (at + 0.1, at + 0.4),
            (1, n + 1, n),
            "POST /charges",
            201,
            &[],
        );
    }
    assert!(found(&mut story).is_empty());
}

#[test]
fn two_charge_ids_for_one_order_are_proof() {
    let mut story = timed_out_then("ch_2", "Charge succeeded");
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.severity, finding.subject.service.as_str(), finding.kind.as_str()), (Severity::Critical, "payment", "no-key"));
    assert!(finding.confidence >= 0.95, "{}", finding.confidence);
    assert_eq!((measure(finding, "duplicated_orders"), measure(finding, "extra_charges"), measure(finding, "duplicated_amount")), (1.0, 1.0, 49.9));
    assert_eq!((finding.words["money"].as_str(), finding.words["orders"].as_str()), ("49.90 EUR", "O-77"));
    assert_eq!(
        finding.words["mechanism"],
        "Order O-77: checkout got no answer after 3.0 s; payment completed that charge (ch_1) 795 ms later. \
         Another attempt charged again (ch_2), the first of them 700 ms after the first charge."
    );
    assert_eq!(finding.services, ["checkout"]);
    assert_eq!(measure(finding, "ambiguous_share"), 1.0);
}

#[test]
fn two_executions_in_the_called_spans_are_proof() {
    let mut story = Story::default();
    story
        .call(("checkout", Client), (0.0, 3.0), (1, 1, 0), "POST /charges", 0, &[("error.type", Text("java.net.SocketTimeoutException"))])
        .call(("payment", Server), (0.02, 3.6), (1, 2, 1), "POST /charges", 201, &[])
        .call(("checkout", Client), (3.5, 3.9), (1, 3, 0), "POST /charges", 201, &[])
        .call(("payment", Server), (3.52, 3.88), (1, 4, 3), "POST /charges", 201, &[]);
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.confidence, finding.severity, finding.subject.service.as_str()), (0.90, Severity::Critical, "payment"));
    assert_eq!(measure(finding, "extra_charges"), 1.0);
}

#[test]
fn called_spans_with_other_names_count_for_the_order_of_the_call() {
    let mut story = Story::default();
    let order =
        [("order.id", Text("ord-1")), ("payment.amount", Text("49.90")), ("payment.currency", Text("EUR")), ("server.address", Text("payments"))];
    for (n, status) in [(1_u32, 504), (2, 504), (3, 200)] {
        let at = f64::from(n) * 3.0;
        let id = u64::from(n);
        story.call(("orders", Client), (at, at + 2.0), (1, id * 10, 1), "POST /api/v1/payments", status, &order).call(
            ("payments", Server),
            (at, at + 0.1),
            (1, id * 10 + 1, id * 10),
            "GET /api/v1/quotes",
            200,
            &[],
        );
    }
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((measure(finding, "extra_charges"), measure(finding, "duplicated_amount"), finding.severity), (2.0, 99.8, Severity::Critical));
    assert_eq!(finding.subject.service, "payments");
}

#[test]
fn a_key_that_is_ignored_and_one_that_is_regenerated() {
    for (keys, kind) in [(["k1", "k1"], "key-ignored"), (["k1", "k2"], "key-regenerated")] {
        let mut story = Story::default();
        for (at, key, id) in [(0.0, keys[0], "c9"), (1.0, keys[1], "c10")] {
            story.log(
                at,
                "psp",
                "charge succeeded",
                &[
                    ("idempotency_key", Text(key)),
                    ("charge_id", Text(id)),
                    ("reference", Text("o-1")),
                    ("amount", Text("5.00")),
                    ("currency", Text("EUR")),
                ],
            );
        }
        let found = found(&mut story);
        assert_eq!((found.len(), found[0].kind.as_str(), found[0].severity), (1, kind, Severity::Critical));
        assert!(found[0].confidence >= 0.95);
    }
}

#[test]
fn webhooks_tell_charges_by_their_ids() {
    let mut story = Story::default();
    for (at, id) in [(0.0, "ch_1"), (0.5, "ch_1"), (1.0, "ch_2")] {
        story.log(
            at,
            "payments",
            "webhook received",
            &[
                ("event", Text("charge.succeeded")),
                ("charge_id", Text(id)),
                ("order_id", Text("o-1")),
                ("amount_cents", Int(1099)),
                ("currency", Text("EUR")),
            ],
        );
    }
    let found = found(&mut story);
    assert_eq!((found.len(), measure(&found[0], "extra_charges"), found[0].words["money"].as_str()), (1, 1.0, "10.99 EUR"));
}

#[test]
fn refunded_duplicates_are_milder_and_currencies_stay_apart() {
    let mut story = Story::default();
    for (order, code) in [("O-1", "EUR"), ("O-2", "USD")] {
        for (at, id) in [(0.0, "a"), (1.0, "b")] {
            let id = format!("ch_{order}{id}").replace('-', "");
            let fields = [("order_id", Text(order)), ("charge_id", Text(&id)), ("amount", Text("10.00")), ("currency", Text(code))];
            story.log(at, "payment", "charge succeeded", &fields);
            if at > 0.5 {
                story.log(60.0, "payment", "charge refunded", &fields);
            }
        }
    }
    let found = found(&mut story);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.severity, finding.words["money"].as_str()), (Severity::High, "10.00 EUR, 10.00 USD"));
    assert_eq!(
        (measure(finding, "duplicated_amount_eur"), measure(finding, "refunded_amount_usd"), measure(finding, "net_amount_usd")),
        (10.0, 10.0, 0.0)
    );
}

#[test]
fn successes_of_one_place_without_ids_count_when_nothing_better_is_known() {
    let mut story = Story::default();
    for (at, trace) in [(0.0, 1), (5.0, 2)] {
        story.log(
            at,
            "billing",
            "Payment processed",
            &[("invoice_id", Text("INV-9")), ("amount", Text("7.00")), ("currency", Text("CHF")), ("@trace", Int(trace))],
        );
    }
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].severity, measure(&found[0], "duplicated_amount")), (1, Severity::Critical, 7.0));
    assert!((0.6..0.95).contains(&found[0].confidence));
}

#[test]
fn a_double_click_is_named_so() {
    let mut story = Story::default();
    for (at, id, trace) in [(0.0, "ch_1", 1), (0.8, "ch_2", 2)] {
        story.log(at, "payment", "charge succeeded", &[charge("O-3", id).as_slice(), &[("@trace", Int(trace))]].concat());
    }
    assert_eq!(found(&mut story)[0].kind, "double-submit");
}

#[test]
fn test_traffic_moves_no_money() {
    let mut story = Story::default();
    for (at, id) in [(0.0, "ch_1"), (0.8, "ch_2")] {
        story.log(at, "payment", "charge succeeded", &[charge("O-3", id).as_slice(), &[("livemode", Value::Bool(false))]].concat());
    }
    assert_eq!(found(&mut story)[0].severity, Severity::Low);
}

#[test]
fn approval_and_settlement_carry_two_ids() {
    let mut story = Story::default();
    for (at, message, id) in [(0.0, "Payment approved", "txn_1"), (9.0, "Payment settled", "txn_2")] {
        story.log(
            at,
            "payment",
            message,
            &[("order_id", Text("O-1")), ("transaction_id", Text(id)), ("amount", Text("5.00")), ("currency", Text("EUR"))],
        );
    }
    // A reference that is a word is no order.
    for (at, id) in [(20.0, "tr_1"), (21.0, "tr_2")] {
        story.log(
            at,
            "bank",
            "transfer completed",
            &[("reference", Text("salary")), ("transfer_id", Text(id)), ("amount", Text("5.00")), ("currency", Text("EUR"))],
        );
    }
    assert!(found(&mut story).is_empty());
}

#[test]
fn a_message_handled_twice() {
    let mut story = Story::default();
    for (n, offset) in [(1_u64, 17), (2, 18), (3, 17)] {
        let attributes = [
            ("messaging.destination.name", Text("payment-requests")),
            ("messaging.destination.partition.id", Text("3")),
            ("messaging.kafka.offset", Int(offset)),
            ("order.id", Text(if offset == 17 { "o-17" } else { "o-18" })),
        ];
        let fields = attributes.map(|(key, value)| crate::model::record::Field { key, value });
        let span = crate::model::record::SpanRecord {
            trace: crate::model::ids::TraceId(n.into()),
            id: crate::model::ids::SpanId(n),
            name: "process payment-requests",
            kind: crate::model::record::SpanKind::Consumer,
            start: crate::correlate::effect::fixture::at(n as f64),
            end: crate::correlate::effect::fixture::at(n as f64 + 0.5),
            attributes: &fields,
            ..Default::default()
        };
        story.span("billing", &span);
    }
    let found = found(&mut story);
    assert_eq!((found.len(), found[0].kind.as_str(), measure(&found[0], "extra_charges")), (1, "redelivery", 1.0));
}

/// What a pod logs of a nightly job that charges two orders, so many seconds after two o'clock.
fn nightly(pod: &str, after: u32) -> (String, String) {
    let line = |second: u32, source: &str, message: &str| {
        format!("2026-01-01T02:00:{:02}.010Z  INFO 1 --- [billing] [   scheduling-1] {source} : {message}\n", after + second)
    };
    let charge = |second: u32, order: u32| {
        line(second, "c.a.Charges", &format!("Charge succeeded orderId=O-{order} amount=49.90 currency=EUR chargeId=ch_{pod}_{order}"))
    };
    let text = line(0, "c.acme.billing.jobs.InvoiceJob", "Starting nightly invoice run")
        + &charge(2, 7)
        + &charge(4, 8)
        + &line(6, "c.acme.billing.jobs.InvoiceJob", "Nightly invoice run finished");
    (format!("billing-7d9f5b6c8d-{pod}.log"), text)
}

#[test]
fn one_job_on_two_instances_charges_twice() {
    let pods = [nightly("b4xkq", 0), nightly("c7zvm", 1)];
    let files: Vec<(&str, &str)> = pods.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let twice = check(&rule("duplicate-payment"), &bundle(&files), None);
    assert_eq!(
        twice.iter().map(|finding| (finding.kind.as_str(), finding.subject.service.as_str())).collect::<Vec<_>>(),
        [("scheduled-job", "billing")]
    );
    assert_eq!((measure(&twice[0], "duplicated_orders"), measure(&twice[0], "extra_charges")), (2.0, 2.0));
    assert!(!twice[0].words["job"].is_empty());
    assert!(check(&rule("duplicate-payment"), &bundle(&files[..1]), None).is_empty(), "one instance alone charges once");
}
