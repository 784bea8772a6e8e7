//! Memory that will be read next, asked for line by line while the processor computes something else.
//!
//! Owns hints to the processor, which change no result and read nothing that a program sees: an address may be stale or lie
//! outside of every allocation. Must not be used as anything but a hint.

use std::ops::Range;

/// Most pieces that are remembered.
pub const PIECES: usize = 16;
/// How far before its use memory is asked for that is read or written in order: longer than it takes to come.
pub const LEAD: usize = 4096;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Pieces of memory in the order in which they will be read.
#[derive(Debug, Default)]
pub struct Ahead {
    pieces: [Range<usize>; PIECES],
    count: usize,
    /// Piece that is being asked for; its start moves on.
    current: usize,
    asked: usize,
}

impl Ahead {
    /// Adds the piece that is read after the others; false when no more are remembered.
    pub fn add(&mut self, piece: Range<usize>) -> bool {
        if let Some(slot) = self.pieces.get_mut(self.count) {
            *slot = piece;
            self.count += 1;
        }
        self.count < PIECES
    }

    /// Asks until about as many bytes were asked for as were worked through: both go at the same pace.
    #[inline(always)]
    pub(crate) fn keep_up_with(&mut self, worked: usize) {
        while self.asked < worked && self.current < self.count {
            let Some(piece) = self.pieces.get_mut(self.current) else {
                return;
            };
            ask(piece.start);
            self.asked += LINE;
            piece.start += LINE;
            if piece.start >= piece.end {
                self.current += 1;
            }
        }
    }
}

/// Asks for every cache line that begins in a range of addresses, of its first [`LEAD`] bytes: what goes on longer, the
/// processor fetches by itself.
#[inline(always)]
pub(crate) fn ask_for(addresses: Range<usize>) {
    let mut at = addresses.start.wrapping_add(LINE - 1) & !(LINE - 1);
    let end = addresses.end.min(at.wrapping_add(LEAD));
    while at < end {
        ask(at);
        at += LINE;
    }
}

/// Asks the memory for the cache line at an address.
#[inline(always)]
pub fn ask(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing that the program sees and faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
