//! JSON to the tree of an object.
//!
//! ```text
//! {"kind": "Pod", "metadata": {"name": "orders-7d9f5b6c8d-k2xwz"}, "status": {"phase": "Running"}}
//! ```
//!
//! Depth is bounded by the scanner and size by the block it is read from. What this file does not do: know what a key means.

use super::node::{Node, Shape};
use crate::formats::json_scan::{Scan, Step};

/// The value at the cursor.
pub fn read<'a>(scan: &mut Scan<'a>) -> Step<Node<'a>> {
    let first = scan.peek();
    let from = scan.at();
    let shape = match first {
        Some(b'{') => {
            let mut entries = Vec::new();
            scan.enter_object()?;
            loop {
                let before = scan.at();
                let Some(key) = scan.key()? else { break };
                let mut value = read(scan)?;
                // What is quoted of a value is only told apart with its key.
                value.from = key_start(scan.bytes(), before);
                entries.push((key, value));
            }
            Shape::Map(entries)
        }
        Some(b'[') => {
            let mut items = Vec::new();
            scan.enter_array()?;
            while scan.item()? {
                items.push(read(scan)?);
            }
            Shape::List(items)
        }
        Some(b'"') => Shape::Text(scan.text()?),
        _ => match scan.text()? {
            "" | "null" => Shape::Null,
            word => Shape::Text(word),
        },
    };
    Ok(Node { from, to: scan.at(), shape })
}

/// Where the key begins before which only white space and commas stand.
fn key_start(bytes: &[u8], before: usize) -> usize {
    let between = bytes.get(before..).unwrap_or_default().iter().take_while(|b| b.is_ascii_whitespace() || **b == b',').count();
    before + between
}
