//! Writes large incident bundles for measurements, with faults that are planted and counted.
//!
//! Six services of a shop tell of every request in their logs, each in its own layout, and in spans, one half as
//! OTLP/JSON, the other as protobuf. In the middle fifth the card provider answers too late: payments tries again with a
//! new key, and cards are charged twice. A Java virtual machine leaks, and two of its threads are deadlocked.
//! The same plan gives the same bytes. What this module does not do: hide the faults well; that is for the samples.

pub mod clock;
pub mod jvm;
pub mod logs;
pub mod rng;
pub mod traces;

use clock::{MILLI, SECOND};
use logs::{Layout, Line, LogFile};
use rng::Rng;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use traces::{CLIENT, SERVER, SpanRow};

/// Services with the layouts of their logs.
pub const SERVICES: [(&str, Layout); 6] = [
    ("gateway", Layout::Spring),
    ("shop", Layout::Pino),
    ("catalog", Layout::DockerZap),
    ("orders", Layout::Logstash),
    ("stock", Layout::Logstash),
    ("payments", Layout::Ecs),
];
const IN_JSON: [&str; 3] = ["orders", "stock", "payments"];
const IN_PROTOBUF: [&str; 3] = ["gateway", "shop", "catalog"];
/// Requests of one export.
const BATCH: u64 = 40;
/// When the client of payments gives up.
const TIMEOUT: u64 = 2 * SECOND;

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Determines everything that is left to chance.
    pub seed: u64,
    /// About so many bytes.
    pub bytes: u64,
}

/// What was written.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Truth {
    /// Bytes of all files.
    pub bytes: u64,
    /// Lines of the service logs that begin a record.
    pub log_records: u64,
    /// Lines of the GC log.
    pub gc_lines: u64,
    /// Thread dumps.
    pub dumps: u64,
    /// Traces.
    pub traces: u64,
    /// Spans.
    pub spans: u64,
    /// Payments that took more than one attempt.
    pub retried_calls: u64,
    /// Attempts beyond the first.
    pub extra_attempts: u64,
    /// Orders that were charged more than once.
    pub duplicated_orders: u64,
    /// Charges beyond the first of each order.
    pub extra_charges: u64,
    /// Their sum, in cents.
    pub duplicated_cents: u64,
}

/// Writes a bundle into a directory.
///
/// # Errors
/// If a file cannot be written.
pub fn write(out: &Path, plan: Plan) -> io::Result<Truth> {
    let mut shop = Shop::open(out, plan)?;
    let mut now = 10 * 3600 * SECOND;
    while shop.bytes() < plan.bytes {
        let done = shop.bytes() * 5 / plan.bytes.max(1);
        shop.request(now, done == 2);
        now += shop.rng.range(20, 60) * MILLI;
        if shop.truth.traces % BATCH == 0 {
            shop.export(now)?;
        }
    }
    shop.export(now)?;
    shop.jvm(out, plan, now)?;
    shop.finish()
}

struct Shop {
    rng: Rng,
    logs: BTreeMap<&'static str, LogFile>,
    json: BufWriter<File>,
    protobuf: BufWriter<File>,
    trace_bytes: u64,
    spans: Vec<SpanRow>,
    truth: Truth,
}

/// Who asks, within which trace.
#[derive(Clone, Copy)]
struct Caller {
    service: &'static str,
    trace: u128,
    span: u64,
}

impl Shop {
    fn open(out: &Path, plan: Plan) -> io::Result<Self> {
        fs::create_dir_all(out.join("logs"))?;
        fs::create_dir_all(out.join("traces"))?;
        fs::create_dir_all(out.join("stock-0"))?;
        let mut logs = BTreeMap::new();
        for (service, layout) in SERVICES {
            logs.insert(service, LogFile::create(&out.join(format!("logs/{service}.log")), service, layout)?);
        }
        let json = BufWriter::with_capacity(1 << 20, File::create(out.join("traces/otlp-traces.jsonl"))?);
        let protobuf = BufWriter::with_capacity(1 << 20, File::create(out.join("traces/otlp-traces.pb"))?);
        Ok(Self { rng: Rng::new(plan.seed), logs, json, protobuf, trace_bytes: 0, spans: Vec::new(), truth: Truth::default() })
    }

    fn bytes(&self) -> u64 {
        self.trace_bytes + self.logs.values().map(|log| log.bytes).sum::<u64>()
    }

    /// A user's request: always a look at the catalog, mostly an order.
    fn request(&mut self, now: u64, provider_is_slow: bool) {
        let trace = (u128::from(self.rng.bits()) << 64) | u128::from(self.rng.bits());
        self.truth.traces += 1;
        let root = Caller { service: "gateway", trace, span: self.rng.bits() };
        let shop = Caller { service: "shop", trace, span: self.rng.bits() };
        let mut at = now + 2 * MILLI;
        at = self.leaf(shop, "catalog", "GET", "/products/{id}", at);
        if self.rng.chance(60) {
            at = self.order(shop, at, provider_is_slow);
        }
        let end = at + MILLI;
        self.served(root, 0, "GET /", "/", now, end + 2 * MILLI);
        let asked = self.rng.bits();
        self.asked(root, asked, "shop", "GET", "/", now + MILLI, end + MILLI, 200, None);
        self.served(shop, asked, "GET /", "/", now + MILLI + 400_000, end);
        self.say(root, end + 2 * MILLI, "INFO", format!("GET / 200 {} ms", (end - now) / MILLI), &[], false);
        self.say(shop, end, "INFO", "request completed".to_owned(), &[("path", "/".to_owned())], false);
    }

    /// Places an order and pays for it. Gives the time after.
    fn order(&mut self, caller: Caller, at: u64, provider_is_slow: bool) -> u64 {
        let orders = Caller { service: "orders", span: self.rng.bits(), ..caller };
        let asked = self.rng.bits();
        let order = format!("ord-{:010x}", self.rng.bits() >> 24);
        let cents = self.rng.range(490, 19_900);
        self.say(orders, at + MILLI, "INFO", "Order created".to_owned(), &money(&order, cents), false);
        let mut now = self.leaf(orders, "stock", "PUT", "/reservations/{id}", at + 2 * MILLI);
        let payments = Caller { service: "payments", span: self.rng.bits(), ..caller };
        let paying = self.rng.bits();
        let begun = now;
        let status;
        (now, status) = self.pay(payments, now + MILLI, &order, cents, provider_is_slow);
        let failed = (status != 201).then_some("504");
        self.spans.push(span(
            payments,
            paying,
            "POST /payments",
            SERVER,
            (begun + 400_000, now),
            vec![("http.route", "/payments".to_owned())],
            status,
            failed,
        ));
        self.asked(orders, paying, "payments", "POST", "/payments", begun, now + 400_000, status, failed);
        now += MILLI;
        if failed.is_none() {
            self.say(orders, now, "INFO", "Order paid".to_owned(), &money(&order, cents), false);
        } else {
            self.say(orders, now, "ERROR", format!("Order {order} could not be paid"), &[("orderId", order)], true);
        }
        self.served(orders, asked, "POST /orders", "/orders", at, now + MILLI);
        self.asked(caller, asked, "orders", "POST", "/orders", at - 300_000, now + 2 * MILLI, 200, None);
        now + 2 * MILLI
    }

    /// Up to three attempts against the provider. Gives the time after, and the answer.
    fn pay(&mut self, payments: Caller, at: u64, order: &str, cents: u64, provider_is_slow: bool) -> (u64, i64) {
        let (mut now, mut charges, mut status) = (at, 0, 504);
        for attempt in 0..3 {
            let late = provider_is_slow && self.rng.chance(50);
            let took = if late { TIMEOUT + self.rng.range(0, 4) * MILLI } else { self.rng.range(40, 400) * MILLI };
            let id = self.rng.bits();
            let error = late.then_some("Read timed out");
            let mut texts = vec![
                ("http.request.method", "POST".to_owned()),
                ("server.address", "api.psp.example".to_owned()),
                ("peer.service", "psp".to_owned()),
                ("url.full", "https://api.psp.example/v1/charges".to_owned()),
            ];
            if late {
                texts.push(("error.type", "java.net.SocketTimeoutException".to_owned()));
            }
            let answer = if late { 0 } else { 201 };
            self.spans.push(SpanRow {
                parent: payments.span,
                ..span(Caller { span: id, ..payments }, 0, "POST", CLIENT, (now, now + took), texts, answer, error)
            });
            let mut fields = money(order, cents).to_vec();
            fields.push(("idempotencyKey", format!("{:016x}", self.rng.bits())));
            if late {
                self.say(payments, now + took + MILLI, "WARN", "Charge attempt failed: Read timed out".to_owned(), &fields, true);
            }
            charges += 1;
            self.truth.extra_attempts += u64::from(attempt > 0);
            self.truth.retried_calls += u64::from(attempt == 1);
            // A late charge is executed all the same, and told when its confirmation comes.
            let told = if late { now + TIMEOUT + self.rng.range(800, 2500) * MILLI } else { now + took + MILLI };
            fields.push(("chargeId", format!("ch_{:016x}", self.rng.bits())));
            self.say(payments, told, "INFO", "Charge succeeded".to_owned(), &fields, false);
            now += took + 2 * MILLI;
            if !late {
                status = 201;
                break;
            }
            now += (200 << attempt) * MILLI;
        }
        if charges > 1 {
            self.truth.duplicated_orders += 1;
            self.truth.extra_charges += charges - 1;
            self.truth.duplicated_cents += cents * (charges - 1);
        }
        (now, status)
    }

    /// A call of a service that asks nobody but its database. Gives the time after.
    fn leaf(&mut self, caller: Caller, service: &'static str, method: &'static str, route: &'static str, at: u64) -> u64 {
        let callee = Caller { service, span: self.rng.bits(), ..caller };
        let asked = self.rng.bits();
        let mut now = at + MILLI;
        for _ in 0..self.rng.range(1, 4) {
            let end = now + self.rng.range(300, 4000) * 1000;
            let texts = vec![
                ("db.system.name", "postgresql".to_owned()),
                ("db.namespace", service.to_owned()),
                ("db.query.text", format!("SELECT * FROM {service} WHERE id = ?")),
            ];
            let id = self.rng.bits();
            self.spans.push(SpanRow { parent: callee.span, ..span(Caller { span: id, ..callee }, 0, "SELECT", CLIENT, (now, end), texts, 0, None) });
            let key = self.rng.range(0, 1_000_000);
            self.say(callee, end, "INFO", format!("Fetched item {key} in {} us", (end - now) / 1000), &[("items", (key % 50).to_string())], false);
            now = end + 100_000;
        }
        self.served(callee, asked, &format!("{method} {route}"), route, at + 300_000, now);
        self.asked(caller, asked, service, method, route, at, now + 300_000, 200, None);
        now + MILLI
    }

    fn served(&mut self, who: Caller, parent: u64, name: &str, route: &str, start: u64, end: u64) {
        self.spans.push(span(who, parent, name, SERVER, (start, end), vec![("http.route", route.to_owned())], 200, None));
    }

    #[allow(clippy::too_many_arguments)]
    fn asked(&mut self, who: Caller, id: u64, peer: &str, method: &str, path: &str, start: u64, end: u64, status: i64, error: Option<&'static str>) {
        let texts =
            vec![("http.request.method", method.to_owned()), ("server.address", peer.to_owned()), ("url.full", format!("http://{peer}:8080{path}"))];
        self.spans.push(SpanRow { parent: who.span, ..span(Caller { span: id, ..who }, 0, method, CLIENT, (start, end), texts, status, error) });
    }

    fn say(&mut self, who: Caller, at: u64, level: &'static str, message: String, fields: &[(&'static str, String)], stack: bool) {
        if let Some(log) = self.logs.get_mut(who.service) {
            log.say(&Line { at, level, trace: who.trace, span: who.span, message, fields, stack });
        }
    }

    /// Writes the collected spans, and the log lines before a time.
    fn export(&mut self, now: u64) -> io::Result<()> {
        let (json, framed) = (traces::json(&self.spans, &IN_JSON), traces::framed(&self.spans, &IN_PROTOBUF));
        self.json.write_all(json.as_bytes())?;
        self.protobuf.write_all(&framed)?;
        self.trace_bytes += (json.len() + framed.len()) as u64;
        self.truth.spans += self.spans.len() as u64;
        self.spans.clear();
        self.logs.values_mut().try_for_each(|log| log.flush_until(now))
    }

    /// A hundredth of the bundle is a GC log, another one thread dumps.
    fn jvm(&mut self, out: &Path, plan: Plan, now: u64) -> io::Result<()> {
        let share = usize::try_from(plan.bytes / 100).unwrap_or(usize::MAX);
        let mut gc = Vec::new();
        let lines = jvm::gc_log(&mut self.rng, share, &mut gc)?;
        fs::write(out.join("stock-0/gc.log"), &gc)?;
        let mut dumps = String::new();
        while dumps.len() < share || self.truth.dumps < 2 {
            dumps += &jvm::thread_dump(&mut self.rng, now + self.truth.dumps * 10 * SECOND, 40);
            self.truth.dumps += 1;
        }
        fs::write(out.join("stock-0/jstack.txt"), &dumps)?;
        self.truth.gc_lines = lines;
        self.truth.bytes = (gc.len() + dumps.len()) as u64;
        Ok(())
    }

    fn finish(mut self) -> io::Result<Truth> {
        self.json.flush()?;
        self.protobuf.flush()?;
        self.logs.values_mut().try_for_each(LogFile::finish)?;
        self.truth.log_records = self.logs.values().map(|log| log.lines).sum();
        self.truth.bytes += self.bytes();
        Ok(self.truth)
    }
}

fn money(order: &str, cents: u64) -> [(&'static str, String); 3] {
    [("orderId", order.to_owned()), ("amount", format!("{}.{:02}", cents / 100, cents % 100)), ("currency", "EUR".to_owned())]
}

#[allow(clippy::too_many_arguments)]
fn span(
    who: Caller,
    parent: u64,
    name: &str,
    kind: i32,
    (start, end): (u64, u64),
    texts: Vec<(&'static str, String)>,
    status: i64,
    error: Option<&'static str>,
) -> SpanRow {
    SpanRow { service: who.service, trace: who.trace, span: who.span, parent, name: name.to_owned(), kind, start, end, texts, status, error }
}
