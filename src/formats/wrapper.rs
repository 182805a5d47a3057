//! Lines around lines.
use crate::model::record::Sink;
use crate::model::source::Chunk;
/// draft
pub struct Wrapped;
impl Wrapped {
    /// draft
    pub fn parse(&self, _chunk: &Chunk<'_>, _sink: &mut dyn Sink) {}
}
