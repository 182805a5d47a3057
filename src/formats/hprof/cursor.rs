//! Big-endian numbers, one after the other.
//!
//! ```text
//! 00 00 00 08    00 00 7f 84 33 07 af 08
//! ```
//!
//! What this file does not do: know what they mean.

/// A cursor over bytes.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// All that follows.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(taken)
    }

    pub(super) fn u1(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn u2(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn u4(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u8(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// An id, of eight bytes if it is a wide one.
    pub(super) fn id(&mut self, wide: bool) -> Option<u64> {
        if wide { self.u8() } else { self.u4().map(u64::from) }
    }

    /// Passes over bytes that must be there.
    pub(super) fn pass(&mut self, bytes: usize) -> Option<()> {
        let end = self.at.checked_add(bytes)?;
        (end <= self.bytes.len()).then(|| self.at = end)
    }
}
