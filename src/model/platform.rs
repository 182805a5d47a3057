//! What is around the services: platform events and configuration.

use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::table::row;
use crate::model::time::Time;

row! {
    /// What a platform says has happened to one of its objects.
    Event {
        /// When it happened last, or none.
        time: Time,
        /// When it happened first; none if it is not said.
        first: Time,
        /// How often between the two.
        count: u32,
        /// Whether the platform calls it a warning.
        warning: bool,
        /// Workload; the object's name without its random parts if nothing else says it.
        service: Sym,
        /// Kind of the object.
        kind: Sym,
        /// Name of the object.
        object: Sym,
        /// Namespace of the object.
        namespace: Sym,
        /// One word.
        reason: Sym,
        /// The sentence, as written.
        message: Sym,
        /// Where.
        evidence: Evidence,
    }
}

row! {
    /// One entry of a configuration. Secrets are `***`.
    Setting {
        /// Service.
        service: Sym,
        /// Profile or environment; none if it is for all.
        profile: Sym,
        /// Canonical key: lower case, segments joined by dots, without dashes and underscores inside segments.
        key: Sym,
        /// Value, as written.
        value: Sym,
        /// Where.
        evidence: Evidence,
    }
}
