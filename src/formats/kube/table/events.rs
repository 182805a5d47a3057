//! A row of a listing of events, in the order of columns that some version or `custom-columns` chose.
//!
//! ```text
//! NAMESPACE   LAST SEEN            TYPE      REASON      OBJECT                          MESSAGE
//! shop        4m (x12 over 9m)     Warning   BackOff     pod/orders-7d9f5b6c8d-k2xwz     Back-off restarting failed container
//! LASTSEEN   FIRSTSEEN   COUNT   NAME       KIND   SUBOBJECT   TYPE      REASON    SOURCE      MESSAGE
//! ```
//!
//! What this file does not do: read ages into times; `quantity.rs` and the listing's moment do.

use super::{Moment, Row};
use crate::formats::kube::names;
use crate::formats::kube::quantity::seen;
use crate::formats::timestamp;
use crate::model::record::{EventRecord, Sink};
use crate::model::source::Evidence;
use crate::model::time::Time;

const LAST: [&str; 7] = ["LASTSEEN", "LAST", "LASTTIMESTAMP", "TIME", "TIMESTAMP", "AGE", "EVENTTIME"];
const FIRST: [&str; 3] = ["FIRSTSEEN", "FIRST", "FIRSTTIMESTAMP"];
const OBJECT: [&str; 3] = ["OBJECT", "INVOLVEDOBJECT", "NAME"];

/// Kinds in full by the short names that listings use.
const KINDS: [(&str, &str); 9] = [
    ("pod", "Pod"),
    ("replicaset", "ReplicaSet"),
    ("deployment", "Deployment"),
    ("statefulset", "StatefulSet"),
    ("daemonset", "DaemonSet"),
    ("horizontalpodautoscaler", "HorizontalPodAutoscaler"),
    ("node", "Node"),
    ("job", "Job"),
    ("cronjob", "CronJob"),
];

/// Says the event.
pub fn read(row: &Row<'_>, moment: Moment, evidence: Evidence, sink: &mut dyn Sink) {
    let (last, over, times) = when(row.first(&LAST), moment);
    let (first, _, _) = when(row.first(&FIRST), moment);
    let about = row.first(&OBJECT);
    let (kind, object) = about.rsplit_once('/').unwrap_or((row.get("KIND"), about));
    let kind = kind.split('.').next().unwrap_or(kind);
    let kind = KINDS.iter().find(|(short, _)| kind.eq_ignore_ascii_case(short)).map_or(kind, |(_, full)| *full);
    sink.event(&EventRecord {
        time: last,
        first: if first.is_some() { first } else { over },
        count: row.get("COUNT").parse().unwrap_or(times),
        warning: row.get("TYPE").eq_ignore_ascii_case("Warning"),
        kind,
        object,
        namespace: row.get("NAMESPACE"),
        service: names::service(kind, object),
        reason: row.get("REASON"),
        message: row.get("MESSAGE"),
        evidence,
    });
}

/// The time that a cell says, when it first happened, and how often.
fn when(cell: &str, moment: Moment) -> (Time, Time, u32) {
    if let Some(seen) = seen(cell) {
        let first = seen.first.map_or(Time::NONE, |first| moment.ago(first));
        return (moment.ago(seen.last), first, seen.count);
    }
    (timestamp::iso(cell.as_bytes(), 0).map_or(Time::NONE, |(time, _)| time), Time::NONE, 1)
}
