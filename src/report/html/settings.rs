//! Configuration: the entries that findings have to do with, each with its place in the bundle.

use askama::Template;

use crate::report::html::{Context, Link, Section, left_out};
use crate::report::text;

#[derive(Template)]
#[template(path = "settings.html", config = "src/report/askama.toml")]
struct Settings {
    rows: Vec<Row>,
    profiles: bool,
    left_out: String,
}

struct Row {
    service: String,
    profile: String,
    key: String,
    value: String,
    place: String,
    links: Vec<Link>,
}

/// A table, if any entry is involved.
pub(super) fn section(context: &mut Context<'_>) -> Option<Section> {
    let report = context.report;
    let all = &report.settings;
    if all.is_empty() {
        return None;
    }
    let row = |setting: &crate::report::picture::Setting| Row {
        service: context.name(&setting.service),
        profile: context.name(&setting.profile),
        key: context.name(&setting.key),
        value: context.name(&setting.value),
        place: context.name(&setting.place),
        links: setting.findings.iter().take(6).map(|id| context.anchors.link(report, id)).collect(),
    };
    let rows: Vec<Row> = all.iter().take(context.limits.rows).map(row).collect();
    let left_out = left_out(all.len(), rows.len(), "entry", "entries");
    let html = Settings { profiles: rows.iter().any(|row| !row.profile.is_empty()), rows, left_out }.render().unwrap_or_default();
    Some(Section { place: 7, id: "s-settings", name: "Configuration", count: text::count(all.len() as u64), html })
}
