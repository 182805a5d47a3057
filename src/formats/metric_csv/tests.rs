use super::*;
use crate::formats::fixture::{placeless, recognised, worn};

// Synthetic: after exports of Grafana and of people's own scripts.

#[test]
fn wide_tables() {
    let text = "sep=,\n\"Time\",\"orders-1\",\"{__name__=\"\"up_total\"\", job=\"\"orders\"\"}\",jvm_threads{state=\"runnable\"}\n\
        2026-11-22 19:30:00,12,,7.5\n1795376013000,null,3,87%\n";
    let (label, got) = recognised(text).unwrap();
    assert_eq!((label.as_str(), got.quarantined), ("metrics/csv-wide", 0), "{}", got.text);
    let want = [
        "metric time=\"2026-11-22T19:30:00Z\" name=\"orders-1\" kind=\"Gauge\" value=\"12.0\"",
        "metric time=\"2026-11-22T19:30:00Z\" name=\"jvm_threads\" kind=\"Gauge\" labels=\"state=runnable;\" value=\"7.5\"",
        "metric time=\"2026-11-22T19:33:33Z\" service=\"orders\" name=\"up_total\" kind=\"Cumulative\" labels=\"job=orders;\" value=\"3.0\"",
        "metric time=\"2026-11-22T19:33:33Z\" name=\"jvm_threads\" kind=\"Gauge\" labels=\"state=runnable;\" value=\"87.0\"",
    ];
    assert_eq!(placeless(&got), want);
}

#[test]
fn wide_tables_with_words_and_semicolons() {
    let text = "\u{feff}timestamp;pod;cpu;memory\r\n2026-11-22T19:30:00Z;orders-0;0.5;100\r\n2026-11-22T19:30:15Z;orders-1;0.7;\r\n";
    let (_, got) = recognised(text).unwrap();
    assert_eq!((got.records, got.quarantined), (3, 0), "{}", got.text);
    assert!(got.text.contains("instance=\"orders-1\" name=\"cpu\" kind=\"Gauge\" labels=\"pod=orders-1;\" value=\"0.7\""), "{}", got.text);
}

#[test]
fn long_tables() {
    let text =
        "time,metric,service,pool,value\n1795376013,hikaricp_connections_active,orders,a,10\n1795376028.5,hikaricp_connections_max,orders,,10\n";
    let (label, got) = recognised(text).unwrap();
    assert_eq!((label.as_str(), got.quarantined), ("metrics/csv-long", 0), "{}", got.text);
    let want = [
        "metric time=\"2026-11-22T19:33:33Z\" service=\"orders\" name=\"hikaricp_connections_active\" kind=\"Gauge\" labels=\"service=orders;pool=a;\" value=\"10.0\"",
        "metric time=\"2026-11-22T19:33:48.500Z\" service=\"orders\" name=\"hikaricp_connections_max\" kind=\"Gauge\" labels=\"service=orders;\" value=\"10.0\"",
    ];
    assert_eq!(placeless(&got), want);
}

#[test]
fn rows_that_do_not_fit_are_quarantined() {
    let text = format!("time,a\n{}1795376013,1,2\n1795376013\nx,1\n", "1795376013,1\n".repeat(60));
    let (_, got) = recognised(&text).unwrap();
    assert_eq!((got.records, got.quarantined), (60, 3), "{}", got.text);
}

#[test]
fn look_alikes() {
    for text in [
        "time,level,message,value\n1795376013,INFO,up,1\n",
        "time,method,path,status,duration\n1795376013,GET,/,200,12\n",
        "id,name,price\n1,a,2\n",
        "time,a\nyesterday,1\n",
        "time,pod\n1795376013,orders-0\n",
        "time\n1795376013\n",
        "time,a\n",
        "Time flies, they say\n",
        "",
    ] {
        assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
}

#[test]
fn worn_tables() {
    for text in ["sep=,\n\"Time\",\"a{x=\"\"1\"\"}\"\n2026-11-22 19:30:00,\"12\"\n", "time;metric;value\n1795376013;up;1\n1795376014;up;2\n"] {
        worn(text.as_bytes(), |bytes| recognised(&String::from_utf8_lossy(bytes)).map_or_else(Default::default, |(_, got)| got));
    }
}
