//! What stands around the services of a generated bundle: a proxy's access log, and scrapes of metrics.
//!
//! What this module does not do: tell of any fault; it is there for the speed of reading.

use super::bundle_gen::rng::Rng;
use std::fmt::Write as _;

/// 2026-11-22T10:00:00Z in seconds.
const START: u64 = 1_795_341_600;

/// Lines of nginx's combined format with the time of the request and that of the upstream.
pub fn access_log(seed: u64, bytes: usize) -> String {
    let mut rng = Rng::new(seed);
    let (mut text, mut number) = (String::with_capacity(bytes + 256), 0);
    while text.len() < bytes {
        let second = number / 50;
        let status = if rng.chance(2) { 502 } else { 200 };
        let took = rng.range(1, 900);
        let _ = writeln!(
            text,
            "10.0.{}.{} - - [22/Nov/2026:{:02}:{:02}:{:02} +0000] \"GET /products/{} HTTP/1.1\" {status} {} \"https://shop.example/\" \"Mozilla/5.0 (X11; Linux x86_64)\" rt=0.{took:03} urt=\"0.{took:03}\"",
            rng.range(0, 4),
            rng.range(1, 255),
            10 + second / 3600 % 12,
            second / 60 % 60,
            second % 60,
            rng.range(1, 100_000),
            rng.range(200, 20_000),
        );
        number += 1;
    }
    text
}

/// Scrapes of one process, one every fifteen seconds, each sample with its time.
pub fn scrapes(seed: u64, bytes: usize) -> String {
    let mut rng = Rng::new(seed);
    let (mut text, mut scrape, mut total) = (String::with_capacity(bytes + 65_536), 0, 0);
    while text.len() < bytes {
        let millis = (START + 15 * scrape) * 1000;
        text.push_str("# HELP jvm_memory_used_bytes The amount of used memory\n# TYPE jvm_memory_used_bytes gauge\n");
        for pool in ["Eden Space", "Survivor Space", "Tenured Gen", "Metaspace"] {
            let _ = writeln!(text, "jvm_memory_used_bytes{{area=\"heap\",id=\"{pool}\"}} {}.0 {millis}", rng.range(1 << 20, 1 << 28));
        }
        text.push_str("# HELP http_server_requests_seconds  \n# TYPE http_server_requests_seconds summary\n");
        for number in 0..100 {
            total += rng.range(0, 50);
            let labels = format!("{{method=\"GET\",outcome=\"SUCCESS\",status=\"200\",uri=\"/products/{{id}}/{number}\"}}");
            let _ = writeln!(text, "http_server_requests_seconds_count{labels} {total} {millis}");
            let _ = writeln!(text, "http_server_requests_seconds_sum{labels} {total}.25 {millis}");
        }
        scrape += 1;
    }
    text
}
