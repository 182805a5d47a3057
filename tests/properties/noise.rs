//! Ten thousand records of a service that is well and concerns nobody, in the time of the sample: no finding changes.

use super::{lines, unchanged};
use crate::samples::Span;
use jiff::Timestamp;

const RECORDS: i32 = 10_000;
/// Where a sample has no times at all.
const SOMEWHEN: &str = "2026-09-14T10:00:00Z";

#[test]
fn what_is_well_changes_nothing() {
    let noise = |sample: &crate::samples::Sample, copy: &super::Copy| {
        let mut copy = copy.clone();
        copy.0.insert("weather/weather.json".to_owned(), records(sample.report.bundle.window.as_ref()).into_bytes());
        vec![("ten thousand records of weather".to_owned(), copy)]
    };
    unchanged(noise, |_, report| lines(report));
}

/// Log records spread evenly over the window; they differ as those of a real service do.
fn records(window: Option<&Span>) -> String {
    let time = |text: &str| text.parse::<Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}"));
    let (start, end) = window.map_or((time(SOMEWHEN), time(SOMEWHEN)), |window| (time(&window.start), time(&window.end)));
    let step = end.duration_since(start) / RECORDS;
    let mut text = String::new();
    let mut dice = 7_u32;
    for number in 0..RECORDS {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (thread, city, took) = (dice >> 8 & 7, dice >> 11 & 255, 3 + (dice >> 19 & 31));
        let when = start + step * number;
        let (logger, message) = match number % 50 {
            0 => ("com.acme.weather.Stations", format!("{} stations have reported", 40 + (dice & 7))),
            n if n % 2 == 1 => ("com.acme.weather.Forecasts", format!("Forecast of city {city} made in {took} ms")),
            _ => ("com.acme.weather.Access", format!("GET /forecast/{city} 200 {took} ms")),
        };
        text.push_str(&format!(
            "{{\"@timestamp\":\"{when:.3}\",\"level\":\"INFO\",\"service\":\"weather\",\"logger_name\":\"{logger}\",\
             \"thread_name\":\"http-nio-8080-exec-{thread}\",\"message\":\"{message}\"}}\n"
        ));
    }
    text
}
