//! What `analyze rules` and `analyze explain ID` print: a table of all rules, and all there is to know of one.
//!
//! What this file does not do: wrap lines or escape for a terminal.

use crate::model::finding::Input;
use crate::model::rule::{Detect, Per, Rule, RuleSet, Threshold};
use crate::model::time::SECOND;
use crate::rules::say::{number, quantity};
use crate::rules::yaml::nearest;
use anyhow::{Result, bail};
use std::fmt::Write;

/// All rules: id, main scenario, worst severity, inputs, title; aligned, ordered by scenario and id, the evidence itself last.
#[must_use]
pub fn table(rules: &RuleSet) -> String {
    let mut rows = vec![["RULE", "SCENARIO", "SEVERITY", "NEEDS", "TITLE"].map(str::to_owned)];
    for rule in listed(rules) {
        let scenario = rule.scenarios.first().map_or_else(|| "-".to_owned(), u8::to_string);
        rows.push([rule.id.clone(), scenario, rule.severity.clone(), needs(&rule.needs), rule.title.clone()]);
    }
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// All rules as a table of Markdown, in the same order: for the README.
#[must_use]
pub fn markdown_table(rules: &RuleSet) -> String {
    let mut out = "| rule | says | at worst | needs | scenario |\n|---|---|---|---|---|\n".to_owned();
    for rule in listed(rules) {
        let Rule { id, title, severity, .. } = rule;
        let scenarios: Vec<String> = rule.scenarios.iter().map(u8::to_string).collect();
        let _ = writeln!(out, "| `{id}` | {} | {severity} | {} | {} |", title.replace('|', "\\|"), needs(&rule.needs), scenarios.join(", "));
    }
    out
}

/// All there is to know of one rule.
///
/// # Errors
/// No rule has this id; the message names the nearest.
pub fn explain(rules: &RuleSet, id: &str) -> Result<String> {
    let Some(rule) = rules.rules.get(id) else { bail!("{}", unknown(rules, id)) };
    let mut out = format!("{}\n{}\n", rule.id, rule.title);
    for number in &rule.scenarios {
        let name = rules.scenarios.get(number).map_or("", |scenario| scenario.name.as_str());
        let _ = writeln!(out, "Scenario {number}: {name}");
    }
    let _ = writeln!(out, "Worst severity: {}", rule.severity);
    let _ = writeln!(out, "Needs: {}", needs(&rule.needs));
    if !rule.needs_to_clear.is_empty() {
        let _ = writeln!(out, "To say that there is no such fault: {}", needs(&rule.needs_to_clear));
    }
    section(&mut out, "What it says", std::slice::from_ref(&rule.text.what));
    section(&mut out, "Why it matters, and how it is concluded", std::slice::from_ref(&rule.text.why));
    section(&mut out, "How it looks", &[how(&rule.detect)]);
    let limits: Vec<String> = rule.thresholds.iter().map(|(name, threshold)| limit(name, threshold)).collect();
    section(&mut out, "Numbers it compares with", &limits);
    section(&mut out, "What to do", &rule.text.fix);
    section(&mut out, "Harmless things that look alike", &rule.text.false_alarms);
    for (kind, own) in &rule.kinds {
        section(&mut out, &format!("Sub-kind {kind}"), [&own.what, &own.why].into_iter().chain(&own.fix).filter(|text| !text.is_empty()));
    }
    section(&mut out, "What to record next time", std::slice::from_ref(&rule.collect));
    section(&mut out, "May cause", &rule.leads_to);
    section(&mut out, "Read on", &rule.text.links);
    let _ = writeln!(out, "\nFrom {}", rule.origin);
    Ok(out)
}

/// By main scenario, those a scenario stands or falls by first.
fn listed(rules: &RuleSet) -> Vec<&Rule> {
    let mut listed: Vec<&Rule> = rules.rules.values().collect();
    listed.sort_by_key(|rule| (rule.scenarios.first().copied().unwrap_or(u8::MAX), !rule.headline, &rule.id));
    listed
}

fn unknown(rules: &RuleSet, id: &str) -> String {
    let planned = rules.scenarios.values().any(|scenario| scenario.headline.iter().chain(&scenario.further).any(|known| known == id));
    if planned {
        return format!("the rule `{id}` is in the catalogue, but this version does not check it");
    }
    let known: Vec<&str> = rules.rules.keys().map(String::as_str).collect();
    match nearest(id, &known) {
        Some(near) => format!("there is no rule `{id}`; did you mean `{near}`?"),
        None => format!("there is no rule `{id}`; `analyze rules` lists all"),
    }
}

fn needs(needs: &[Vec<Input>]) -> String {
    let all: Vec<String> = needs.iter().map(|any| any.iter().map(|input| input.name()).collect::<Vec<_>>().join(" or ")).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

fn section<'a>(out: &mut String, title: &str, items: impl IntoIterator<Item = &'a String>) {
    let mut items = items.into_iter().filter(|item| !item.is_empty()).peekable();
    if items.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "\n{title}:");
    for item in items {
        let _ = writeln!(out, "  - {}", item.trim_end().replace('\n', "\n    "));
    }
}

fn limit(name: &str, threshold: &Threshold) -> String {
    let Threshold { unit, info, warn, why } = threshold;
    if info == warn {
        format!("{name}: {} {unit}. {why}", number(*info))
    } else {
        format!("{name}: from {}, serious from {} {unit}. {why}", number(*info), number(*warn))
    }
}

fn how(detect: &Detect) -> String {
    match detect {
        Detect::Native(id) => format!("the detector {id}, written in Rust"),
        Detect::Sql(query) => query.clone(),
        Detect::Signal(count) => {
            let per = match count.per {
                Per::Service => "per service",
                Per::Instance => "per instance",
                Per::Name => "per service and name",
                Per::Bundle => "over the whole bundle",
            };
            let window = count.window.map_or_else(String::new, |nanos| format!(" within {}", quantity(nanos as f64 / SECOND as f64, "s")));
            format!("counts the signal {} {per}{window}", count.signal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::load;

    #[test]
    fn the_table_is_aligned() {
        let rules = load::built_in().unwrap();
        let table = table(&rules);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), rules.rules.len() + 1);
        let column = lines[0].find("TITLE").unwrap();
        assert!(lines.iter().all(|line| line.as_bytes()[column - 1] == b' ' && line.as_bytes()[column] != b' '), "{table}");
        assert!(lines.last().unwrap().starts_with("evidence-"), "{table}");
    }

    #[test]
    fn a_rule_is_explained_in_full() {
        let rules = load::built_in().unwrap();
        let text = explain(&rules, "db-server-connections-exhausted").unwrap();
        for part in [
            "Scenario 3: Database connections are exhausted\n",
            "Needs: logs\n",
            "  - counts the signal db.connections-refused per service within 10 min\n",
            "  - count: from 1, serious from 20 refusals in ten minutes. A server refuses",
            "\nHarmless things that look alike:\n",
            "\nFrom database/db-server-connections-exhausted.yaml\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let text = explain(&rules, "evidence-unreadable").unwrap();
        assert!(text.contains("low_percent: 10 percent of bytes. ") && text.contains("Sub-kind unsupported:"), "{text}");
        for id in rules.rules.keys() {
            assert!(explain(&rules, id).unwrap().len() > 500);
        }
    }

    #[test]
    fn an_unknown_id_names_the_nearest() {
        let rules = load::built_in().unwrap();
        let why = |id| explain(&rules, id).unwrap_err().to_string();
        assert_eq!(why("out-of-memroy"), "there is no rule `out-of-memroy`; did you mean `out-of-memory`?");
        assert_eq!(why("zzz"), "there is no rule `zzz`; `analyze rules` lists all");
        let listed = rules.scenarios.values().flat_map(|scenario| scenario.headline.iter().chain(&scenario.further));
        for id in listed.filter(|id| !rules.rules.contains_key(*id)) {
            assert_eq!(why(id), format!("the rule `{id}` is in the catalogue, but this version does not check it"));
        }
    }
}
