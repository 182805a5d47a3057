//! Any bytes in the midst of, or behind, the beginnings of one family's formats: the parser cites only bytes that it was given.
//!
//! A number chooses the beginning, so that a mutation need not find a banner or a root key first. Each family has a target of
//! its own, so that time is spent on each alike.

#[path = "../bounds.rs"]
mod bounds;
#[path = "../seeds.rs"]
mod seeds;

/// What a target is given: which beginning, where the bytes go, how large the pieces are, and the bytes.
pub type Input<'a> = (u8, u16, u16, &'a [u8]);

pub fn read(family: &str, (choice, at, size, put): Input<'_>) {
    let known = seeds::FAMILIES.iter().find(|(name, _)| *name == family).map_or(&[][..], |(_, seeds)| seeds);
    // One choice is none of them.
    let mut bytes = known.get(usize::from(choice) % (known.len() + 1)).map_or(Vec::new(), |seed| seed.to_vec());
    let at = usize::from(at) % (bytes.len() + 1);
    bytes.splice(at..(at + put.len()).min(bytes.len()), put.iter().copied());
    if let Some(found) = bounds::recognised(&bytes) {
        bounds::parse(&found, &bytes, usize::MAX / 4);
        bounds::parse(&found, &bytes, usize::from(size));
    }
}
