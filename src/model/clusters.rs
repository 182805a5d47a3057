//! Which templates are one, and what they say in common.
//!
//! What this file does not do: find out; `correlate/cluster.rs` does.

use crate::model::ids::TemplateId;
use std::collections::BTreeMap;

/// Templates by the template they have become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    /// Cluster of each template that has become another.
    of: BTreeMap<TemplateId, TemplateId>,
    /// What each cluster of [`Clusters::of`] says.
    texts: BTreeMap<TemplateId, String>,
}

impl Clusters {
    /// Notes that a template is now this cluster.
    pub fn join(&mut self, template: TemplateId, cluster: TemplateId, text: &str) {
        self.of.insert(template, cluster);
        self.texts.entry(cluster).or_insert_with(|| text.to_owned());
    }

    /// The cluster of a template; itself if it has become no other.
    #[must_use]
    pub fn of(&self, template: TemplateId) -> TemplateId {
        self.of.get(&template).copied().unwrap_or(template)
    }

    /// What a cluster says; none if it is a template as it was.
    #[must_use]
    pub fn text(&self, cluster: TemplateId) -> Option<&str> {
        self.texts.get(&cluster).map(String::as_str)
    }

    /// The templates that have become others, each with its cluster.
    pub fn members(&self) -> impl Iterator<Item = (TemplateId, TemplateId)> + '_ {
        self.of.iter().map(|(template, cluster)| (*template, *cluster))
    }

    /// Takes over what another part knows.
    pub fn absorb(&mut self, other: Self) {
        self.of.extend(other.of);
        self.texts.extend(other.texts);
    }
}
