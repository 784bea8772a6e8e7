//! Windows of one file: which bytes were asked for, which have come.
//!
//! Buffers are kept for reuse, since every window of a file has about the same size. This module must not know why
//! bytes are needed.

use crate::checksum::crc32c;
use crate::fault::Fault;
use crate::source::{Source, Window};

/// Smaller buffers are given back: hundreds of files have them, and the allocator has more soon.
const LEAST_SPARE_BYTES: usize = 64 << 10;

/// What a window is for; decides when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Footer, metaindex, properties, index: until the file is open.
    Opening,
    /// Data blocks: until the cursor is past them.
    Data,
    /// A value block: until it is decoded.
    Value,
}

#[derive(Debug)]
struct Part {
    window: Window,
    bytes: Vec<u8>,
    role: Role,
    reported: bool,
    /// Checksums of what came before and did not decode, one for each time.
    refused: Vec<u32>,
}

/// How often a window is asked for anew.
const AGAIN_AT_MOST: usize = 3;

impl Part {
    fn complete(&self) -> bool {
        self.bytes.len() as u64 == self.window.length
    }
}

/// The windows of one file.
#[derive(Debug, Default)]
pub struct Windows {
    parts: Vec<Part>,
    spare: Vec<Vec<u8>>,
}

impl Source for Windows {
    fn get(&self, offset: u64, length: u64) -> Option<&[u8]> {
        let end = offset.checked_add(length)?;
        let part = self.parts.iter().find(|p| p.window.offset <= offset && end <= p.window.end())?;
        let start = usize::try_from(offset - part.window.offset).ok()?;
        part.bytes.get(start..start + usize::try_from(length).ok()?)
    }
}

impl Windows {
    /// Asks for a window, unless one that was asked for covers it.
    pub fn request(&mut self, window: Window, role: Role) {
        if self.covers(window) {
            return;
        }
        let bytes = self.spare.pop().unwrap_or_default();
        self.parts.push(Part { window, bytes, role, reported: false, refused: Vec::new() });
    }

    /// A window was asked for, whether or not its bytes have come.
    #[must_use]
    pub fn covers(&self, window: Window) -> bool {
        self.parts.iter().any(|p| p.window.offset <= window.offset && window.end() <= p.window.end())
    }

    /// Takes bytes of the file; a window may come in several pieces, front to back. Bytes beyond it are ignored.
    ///
    /// # Errors
    /// The bytes continue no window that was asked for.
    pub fn feed(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let wanting = self.parts.iter_mut().find(|p| !p.complete() && p.window.offset + p.bytes.len() as u64 == offset);
        let Some(part) = wanting else {
            return Err(Fault::usage(format!(
                "sst {file}: {} bytes at offset {offset} were handed in, which were not asked for",
                bytes.len()
            )));
        };
        let room = usize::try_from(part.window.length).unwrap_or(usize::MAX) - part.bytes.len();
        if part.bytes.is_empty() {
            part.bytes.reserve_exact(room.min(bytes.len()));
        }
        part.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        Ok(())
    }

    /// Asks anew for the windows that hold `at`, or for all: something in them does not decode. Once, unless other bytes come the
    /// second time. `false` when nothing is asked for: they are so.
    pub fn ask_again(&mut self, at: Option<Window>) -> bool {
        let mut asked = false;
        for part in self.parts.iter_mut().filter(|part| part.complete()) {
            if at.is_some_and(|at| at.offset >= part.window.end() || part.window.offset >= at.end()) {
                continue;
            }
            let found = crc32c(&part.bytes);
            if part.refused.len() < AGAIN_AT_MOST && !part.refused.contains(&found) {
                part.refused.push(found);
                part.bytes.clear();
                part.reported = false;
                asked = true;
            }
        }
        asked
    }

    /// Bytes still wanted; with `fresh` only those of windows that were not reported yet. `report` is told whether it is asked anew.
    pub fn wanted(&mut self, fresh: bool, mut report: impl FnMut(Window, bool)) {
        for part in &mut self.parts {
            if part.complete() || (fresh && part.reported) {
                continue;
            }
            part.reported = true;
            let done = part.bytes.len() as u64;
            let again = !part.refused.is_empty();
            report(Window { offset: part.window.offset + done, length: part.window.length - done }, again);
        }
    }

    /// Bytes of some window have not come yet.
    #[must_use]
    pub fn has_outstanding(&self) -> bool {
        self.parts.iter().any(|p| !p.complete())
    }

    /// Some window was not reported yet.
    #[must_use]
    pub fn has_fresh(&self) -> bool {
        self.parts.iter().any(|p| !p.reported)
    }

    /// Makes the windows of opening into data windows, when the file is so small that they hold it all.
    pub fn keep_opening_as_data(&mut self) {
        for part in &mut self.parts {
            if part.role == Role::Opening {
                part.role = Role::Data;
            }
        }
    }

    /// Drops windows of a role that end at or before `offset`.
    pub fn drop_before(&mut self, role: Role, offset: u64) {
        let mut i = 0;
        while let Some(part) = self.parts.get(i) {
            if part.role == role && part.complete() && part.window.end() <= offset {
                let mut bytes = self.parts.swap_remove(i).bytes;
                bytes.clear();
                if role == Role::Data && self.spare.len() < 2 && bytes.capacity() >= LEAST_SPARE_BYTES {
                    self.spare.push(bytes);
                }
            } else {
                i += 1;
            }
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Joins windows that lie within `gap` bytes of each other.
#[must_use]
pub fn coalesce(mut windows: Vec<Window>, gap: u64) -> Vec<Window> {
    windows.sort_unstable();
    let mut joined: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match joined.last_mut() {
            Some(last) if window.offset <= last.end().saturating_add(gap) => {
                last.length = last.end().max(window.end()) - last.offset;
            }
            _ => joined.push(window),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(offset: u64, length: u64) -> Window {
        Window { offset, length }
    }

    #[test]
    fn pieces_fill_a_window() {
        let mut windows = Windows::default();
        windows.request(window(10, 4), Role::Data);
        windows.request(window(11, 2), Role::Data);
        assert!(windows.feed("f", 12, b"x").is_err());
        windows.feed("f", 10, b"ab").expect("the front");
        assert_eq!(windows.get(10, 2), Some(&b"ab"[..]));
        assert_eq!(windows.get(10, 3), None);
        let mut wanted = Vec::new();
        windows.wanted(false, |w, _| wanted.push(w));
        assert_eq!(wanted, [window(12, 2)]);
        windows.feed("f", 12, b"cdefg").expect("the rest and more");
        assert_eq!(windows.get(11, 3), Some(&b"bcd"[..]));
        assert!(windows.feed("f", 14, b"e").is_err());
        windows.drop_before(Role::Data, 13);
        assert!(windows.get(11, 3).is_some());
        windows.drop_before(Role::Data, 14);
        assert!(windows.get(11, 3).is_none());
    }

    #[test]
    fn what_was_refused_is_asked_for_again_until_the_same_comes() {
        let mut windows = Windows::default();
        windows.request(window(0, 2), Role::Data);
        windows.request(window(2, 2), Role::Data);
        let come = |windows: &mut Windows, bytes: &[u8]| {
            let mut wanted = Vec::new();
            windows.wanted(true, |w, again| wanted.push((w, again)));
            windows.feed("f", wanted[0].0.offset, bytes).expect("what was asked for");
            wanted
        };
        windows.feed("f", 2, b"cd").expect("the second window");
        assert_eq!(come(&mut windows, b"ax"), [(window(0, 2), false)]);
        assert!(windows.ask_again(Some(window(1, 1))));
        assert_eq!(come(&mut windows, b"bx"), [(window(0, 2), true)]);
        assert!(windows.ask_again(Some(window(0, 1))));
        assert_eq!(come(&mut windows, b"ax"), [(window(0, 2), true)]);
        assert!(!windows.ask_again(Some(window(0, 1))));
        assert!(windows.ask_again(None), "the second window was not refused yet");
        assert_eq!(come(&mut windows, b"cd"), [(window(2, 2), true)]);
        assert!(!windows.ask_again(None));
    }

    #[test]
    fn near_windows_are_joined() {
        let joined = coalesce(vec![window(100, 10), window(0, 10), window(12, 3), window(105, 1)], 2);
        assert_eq!(joined, [window(0, 15), window(100, 10)]);
    }
}
