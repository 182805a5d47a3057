//! One story in the words of many services, read from files: a value changes, and the cache goes on giving the old one.
//!
//! Every layout is told with its healthy twins first: nothing changed, the entry was dropped, all reads were before the change.

use crate::correlate::Case;
use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

/// What happens to product 42.
#[derive(Clone, Copy)]
enum Step {
    Hit(u32),
    Miss(u32),
    Write(u32),
    Drop,
}
use Step::{Drop, Hit, Miss, Write};

/// Seconds and steps.
type Told = Vec<(u32, Step)>;

fn unchanged() -> Told {
    vec![(0, Miss(1)), (5, Hit(1)), (12, Hit(1)), (20, Hit(1)), (25, Hit(1))]
}

fn dropped() -> Told {
    vec![(0, Miss(1)), (5, Hit(1)), (10, Write(2)), (11, Drop), (14, Miss(2)), (20, Hit(2)), (25, Hit(2))]
}

fn before() -> Told {
    vec![(0, Miss(1)), (5, Hit(1)), (8, Hit(1)), (10, Write(2)), (10, Drop), (30, Miss(2))]
}

fn stale() -> Told {
    vec![(0, Miss(1)), (5, Hit(1)), (10, Write(2)), (14, Hit(1)), (20, Hit(1)), (25, Hit(1))]
}

fn found(path: &str, told: &Told, line: impl Fn(u32, Step) -> String) -> Vec<Finding> {
    let text: String = told.iter().map(|(at, step)| line(*at, *step) + "\n").collect();
    check(&rule("stale-cache-read"), &bundle(&[(path, &text)]), None)
}

/// Checks that a layout tells the healthy from the stale.
fn tells(path: &str, line: impl Fn(u32, Step) -> String) -> Finding {
    for healthy in [unchanged(), dropped(), before()] {
        let found = found(path, &healthy, &line);
        assert!(found.is_empty(), "{found:#?}");
    }
    let mut found = found(path, &stale(), &line);
    assert_eq!(found.len(), 1, "{found:#?}");
    let finding = found.remove(0);
    assert_eq!(measured(&finding, "stale_reads"), 3.0, "{finding:#?}");
    assert!(finding.severity >= Severity::Medium && finding.confidence >= 0.6, "{finding:#?}");
    finding
}

#[test]
fn text_with_the_key_in_the_sentence() {
    let finding = tells("catalog/app.log", |at, step| {
        let said = match step {
            Hit(v) => format!("cache hit product:42 version={v}"),
            Miss(v) => format!("cache miss product:42, loaded from DB in 31 ms version={v}"),
            Write(v) => format!("updated product 42 to version {v}"),
            Drop => "evicted product:42 from cache".to_owned(),
        };
        format!("2026-01-01 10:00:{at:02},000 INFO catalog.cache {said}")
    });
    assert_eq!(
        (finding.kind.as_str(), finding.subject.service.as_str(), finding.subject.key.as_str()),
        ("missed-invalidation", "catalog", "product:42")
    );
}

#[test]
fn sentences_without_a_key() {
    tells("catalog.log", |at, step| {
        let said = match step {
            Hit(v) => format!("Returning product 42 from cache (version {v})"),
            Miss(v) => format!("Product 42 not in cache, loaded from database (version {v})"),
            Write(v) => format!("Updated product 42 to version {v}"),
            Drop => "Evicted product 42 from cache".to_owned(),
        };
        format!("2026-01-01T10:00:{at:02}.000Z  INFO 1 --- [catalog] [nio-8080-exec-1] c.a.c.ProductService : {said}")
    });
}

#[test]
fn json_with_prices_instead_of_versions() {
    let price = |v: u32| if v == 1 { "19.9" } else { "17.5" };
    let finding = tells("catalog/out.log", |at, step| {
        let said = match step {
            Hit(v) => format!(r#""msg":"cache hit","key":"product:42","price":{}"#, price(v)),
            Miss(v) => format!(r#""msg":"cache miss","key":"product:42","price":{}"#, price(v)),
            Write(v) => format!(r#""msg":"price updated","productId":42,"price":{}"#, price(v)),
            Drop => r#""msg":"cache invalidated","key":"product:42""#.to_owned(),
        };
        format!(r#"{{"level":30,"time":{},"pid":1,"hostname":"catalog-7d9f","name":"catalog",{said}}}"#, 1_767_261_600_000_u64 + u64::from(at) * 1000)
    });
    assert_eq!(finding.words.get("expected").map(String::as_str), Some("price=17.5"));
}

#[test]
fn json_whose_write_names_only_an_id() {
    tells("svc/app.json", |at, step| {
        let fields = |v: u32| format!(r#""updated_at":"2026-01-01T09:{v:02}:00Z""#);
        let said = match step {
            Hit(v) => format!(r#""event":"product_read","cache":"hit","cache_key":"shop:product:42",{}"#, fields(v)),
            Miss(v) => format!(r#""event":"product_read","cache":"miss","cache_key":"shop:product:42",{}"#, fields(v)),
            Write(v) => format!(r#""event":"product_updated","id":42,{}"#, fields(v)),
            Drop => r#""event":"cache_invalidate","cache_key":"shop:product:42""#.to_owned(),
        };
        format!(r#"{{{said},"level":"info","timestamp":"2026-01-01T10:00:{at:02}.000000Z","service":"catalog"}}"#)
    });
}

#[test]
fn entity_tags_have_no_order() {
    tells("edge/app.json", |at, step| {
        let tag = |v: u32| if v == 1 { "a41f" } else { "09bc" };
        let said = match step {
            Hit(v) => format!(r#""msg":"GET /products/42 200","path":"/products/42","product_id":42,"x_cache":"HIT","etag":"\"{}\"""#, tag(v)),
            Miss(v) => format!(r#""msg":"GET /products/42 200","path":"/products/42","product_id":42,"x_cache":"MISS","etag":"\"{}\"""#, tag(v)),
            Write(v) => format!(r#""msg":"product saved","product_id":42,"etag":"\"{}\"""#, tag(v)),
            Drop => r#""msg":"cache purged","path":"/products/42","product_id":42"#.to_owned(),
        };
        format!(r#"{{"ts":"2026-01-01T10:00:{at:02}.000Z","level":"info","service":"edge",{said}}}"#)
    });
}

fn jaeger(told: &[(u32, &str)]) -> Case {
    let spans: Vec<String> = told
        .iter()
        .enumerate()
        .map(|(n, (at, what))| {
            let (kind, operation, tags) = match what.split(' ').collect::<Vec<_>>().as_slice() {
                ["redis", rest @ ..] => {
                    let statement = rest.join(" ");
                    ("client", statement.split(' ').next().unwrap_or("").to_owned(), format!(r#"{{"key":"db.system","type":"string","value":"redis"}},{{"key":"db.statement","type":"string","value":"{statement}"}}"#))
                }
                [method, path, more @ ..] => {
                    let mut tags = format!(r#"{{"key":"http.request.method","type":"string","value":"{method}"}},{{"key":"url.path","type":"string","value":"{path}"}},{{"key":"http.response.status_code","type":"int64","value":200}}"#);
                    for pair in more {
                        let (key, value) = pair.split_once('=').unwrap();
                        tags.push_str(&format!(r#",{{"key":"{key}","type":"string","value":"{value}"}}"#));
                    }
                    ("server", format!("{method} {path}"), tags)
                }
                _ => unreachable!(),
            };
            let start = 1_767_261_600_000_000_u64 + u64::from(*at) * 1_000_000 + if kind == "client" { 1_000 } else { 0 };
            let (trace, parent) = if kind == "client" { (at + 1, format!(r#"{{"refType":"CHILD_OF","traceID":"{:x}","spanID":"{:x}"}}"#, at + 1, at + 1)) } else { (at + 1, String::new()) };
            let id = if kind == "client" { 0x1000 + n as u32 } else { at + 1 };
            let took = if kind == "client" { 500 } else { 5_000 };
            format!(
                r#"{{"traceID":"{trace:x}","spanID":"{id:x}","operationName":"{operation}","references":[{parent}],"startTime":{start},"duration":{took},"tags":[{{"key":"span.kind","type":"string","value":"{kind}"}},{tags}],"logs":[],"processID":"p1"}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"data":[{{"traceID":"1","spans":[{}],"processes":{{"p1":{{"serviceName":"catalog","tags":[]}}}}}}]}}"#, spans.join(","));
    bundle(&[("jaeger.json", &text)])
}

fn of_spans(told: &[(u32, &str)]) -> Vec<Finding> {
    check(&rule("stale-cache-read"), &jaeger(told), None)
}

#[test]
fn spans_with_attributes_of_the_cache() {
    let read = "GET /products/42 cache.hit=true cache.key=product:42 product.id=42 product.version=1";
    let fresh = "GET /products/42 cache.hit=false cache.key=product:42 product.id=42 product.version=2";
    let write = "PUT /products/42 product.id=42 product.version=2";
    assert!(of_spans(&[(0, read), (10, write), (20, fresh)]).is_empty());
    let found = of_spans(&[(0, read), (10, write), (20, read), (30, read)]);
    assert_eq!((found.len(), measured(&found[0], "stale_reads")), (1, 2.0));
}

#[test]
fn spans_of_redis_commands_only() {
    // Every change drops its key, but one; a read whose trace fills the key has loaded it.
    let story = |forgotten: bool| {
        let mut told: Vec<(u32, String)> = Vec::new();
        for n in 1..=8 {
            let at = n * 20;
            told.extend([(at, format!("GET /products/{n}")), (at, format!("redis GET product:{n}")), (at, format!("redis SETEX product:{n} 600 x"))]);
            told.push((at + 5, format!("PUT /products/{n}")));
            if n != 3 || !forgotten {
                told.push((at + 5, format!("redis DEL product:{n}")));
                told.extend([
                    (at + 12, format!("GET /products/{n}")),
                    (at + 12, format!("redis GET product:{n}")),
                    (at + 12, format!("redis SETEX product:{n} 600 x")),
                ]);
            } else {
                told.extend([(at + 12, format!("GET /products/{n}")), (at + 12, format!("redis GET product:{n}"))]);
            }
        }
        let told: Vec<(u32, &str)> = told.iter().map(|(at, what)| (*at, what.as_str())).collect();
        of_spans(&told)
    };
    assert!(story(false).is_empty());
    let found = story(true);
    assert_eq!((found.len(), found[0].kind.as_str(), found[0].subject.key.as_str()), (1, "missed-invalidation", "product:3"));
}

#[test]
fn answers_older_than_they_may_be() {
    let line = |age: u32, control: &str, mark: &str| {
        format!(
            r#"{{"ts":"2026-01-01T10:00:05.000Z","level":"info","service":"web","msg":"upstream answered","url":"http://catalog/products/42","x_cache":"{mark}","age":{age},"cache_control":"{control}"}}"#
        )
    };
    let found = |text: String| check(&rule("stale-cache-read"), &bundle(&[("web/app.json", &(text.clone() + "\n" + &text + "\n"))]), None);
    assert!(found(line(40, "public, max-age=60", "HIT")).is_empty());
    assert!(found(line(80, "public, max-age=60, stale-while-revalidate=30", "HIT")).is_empty());
    assert!(found(line(80, "public, max-age=60, s-maxage=600", "HIT")).is_empty());
    let late = found(line(95, "public, max-age=60", "HIT"));
    assert_eq!((late.len(), late[0].kind.as_str(), late[0].severity), (1, "stale-http", Severity::Medium));
    assert_eq!((measured(&late[0], "max_staleness_s"), measured(&late[0], "ttl_s")), (35.0, 60.0));
    assert_eq!(found(line(5, "max-age=60", "STALE"))[0].kind, "stale-http");
}

#[test]
fn keys_that_are_learned() {
    // `view_42_de` is a copy of item 42: three changes that dropped such keys have shown it.
    let story = |fresh: u32| {
        let mut text = String::new();
        let mut say = |at: u32, trace: u32, said: &str| {
            text.push_str(&format!(
                "{{\"ts\":\"2026-01-01T10:{:02}:{:02}.000Z\",\"service\":\"shop\",\"trace_id\":\"{trace:032x}\",{said}}}\n",
                at / 60,
                at % 60
            ));
        };
        for n in 1..=4 {
            say(n * 10, n, &format!(r#""msg":"item updated","item_id":{n},"version":2"#));
            if n < 4 {
                say(n * 10, n, &format!(r#""msg":"cache invalidated","cache_key":"view_{n}_de""#));
            }
            say(n * 10 + 8, 100 + n, &format!(r#""msg":"cache hit","cache_key":"view_{n}_de","version":{}"#, if n < 4 { 2 } else { fresh }));
        }
        check(&rule("stale-cache-read"), &bundle(&[("shop/app.json", &text)]), None)
    };
    assert!(story(2).is_empty());
    let found = story(1);
    assert_eq!((found.len(), found[0].subject.key.as_str()), (1, "view_4_de"));
}

#[test]
fn entries_that_live_for_ever() {
    let line = |at: u32, said: &str| format!("{{\"ts\":\"2026-01-01T10:{:02}:{:02}.000Z\",\"service\":\"shop\",{said}}}\n", at / 60, at % 60);
    let text = line(0, r#""msg":"cache miss, value loaded from database","cache_key":"item:4","version":1,"ttl_s":-1"#)
        + &line(60, r#""msg":"item updated","item_id":4,"version":2"#)
        + &line(900, r#""msg":"cache hit","cache_key":"item:4","version":1"#);
    let found = check(&rule("stale-cache-read"), &bundle(&[("shop/app.json", &text)]), None);
    assert_eq!((found.len(), found[0].kind.as_str()), (1, "no-ttl"));
}
