//! MinLZ blocks, compression id 8 (sst-format.md 4.5): decoding only.

use crate::flaw::Flaw;
use crate::varint;

/// Largest decoded block of the format.
const MAX_DECODED: usize = 8 << 20;

fn cut() -> Flaw {
    Flaw::damaged("has a minlz stream that is cut")
}

/// The unread rest of a stream.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Flaw> {
        let (head, rest) = self.0.split_at_checked(n).ok_or_else(cut)?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self, bytes: usize) -> Result<usize, Flaw> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |n, &byte| n << 8 | usize::from(byte)))
    }

    /// Length of a literal or repeat: 1 to 29 in the tag, more in the bytes that follow.
    fn long(&mut self, v: usize) -> Result<usize, Flaw> {
        if v < 29 { Ok(v + 1) } else { Ok(30 + self.number(v - 28)?) }
    }

    /// Length of a copy: 4 to 64 in the tag, more in the bytes that follow.
    fn copy(&mut self, v: usize) -> Result<usize, Flaw> {
        if v <= 60 { Ok(v + 4) } else { Ok(64 + self.number(v - 60)?) }
    }
}

/// Output of known size.
struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    length: usize,
}

impl Output<'_> {
    fn room(&self, n: usize) -> Result<(), Flaw> {
        if n > self.length - self.bytes.len() {
            return Err(Flaw::damaged("has a minlz stream that decodes to more than it declares"));
        }
        Ok(())
    }

    fn literals(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        self.room(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn copy(&mut self, offset: usize, n: usize) -> Result<(), Flaw> {
        self.room(n)?;
        let at = self.bytes.len().checked_sub(offset);
        let at = at.ok_or(Flaw::damaged("has a minlz copy from before its start"))?;
        if offset >= n {
            self.bytes.extend_from_within(at..at + n);
            return Ok(());
        }
        // What was just written is copied again.
        for i in at..at + n {
            let byte = self.bytes.get(i).copied().unwrap_or_default();
            self.bytes.push(byte);
        }
        Ok(())
    }
}

/// Decodes a payload that begins with 00 into `out`, which is replaced.
///
/// # Errors
/// Damage.
pub fn decode(payload: &[u8], out: &mut Vec<u8>) -> Result<(), Flaw> {
    out.clear();
    let stream = payload.get(1..).ok_or_else(cut)?;
    if stream.is_empty() {
        return Ok(());
    }
    let (declared, used) = varint::read_u64(stream).ok_or_else(cut)?;
    let mut input = Input(stream.get(used..).unwrap_or_default());
    if declared == 0 {
        out.extend_from_slice(input.0);
        return Ok(());
    }
    let length = usize::try_from(declared).unwrap_or(usize::MAX);
    if length > MAX_DECODED {
        return Err(Flaw::damaged_by(format!("declares {declared} bytes, more than minlz's limit of {MAX_DECODED}")));
    }
    let mut output = Output { bytes: out, length };
    let mut last = 1;
    while let Some(&tag) = input.0.first() {
        last = step(usize::from(tag), last, &mut input, &mut output)?;
    }
    if out.len() != length {
        return Err(Flaw::damaged_by(format!("decodes to {} bytes instead of {length}", out.len())));
    }
    Ok(())
}

/// Decodes one operation; the offset of the last copy.
fn step(tag: usize, last: usize, input: &mut Input<'_>, output: &mut Output<'_>) -> Result<usize, Flaw> {
    if tag & 7 == 7 {
        let word = input.number(4)?;
        let n = input.copy(word >> 5 & 63)?;
        let offset = (word >> 11) + 65536;
        output.literals(input.take(word >> 3 & 3)?)?;
        output.copy(offset, n)?;
        return Ok(offset);
    }
    input.take(1)?;
    let (offset, n) = match tag & 3 {
        0 => {
            let n = input.long(tag >> 3)?;
            if tag & 4 == 0 {
                output.literals(input.take(n)?)?;
            } else {
                output.copy(last, n)?;
            }
            return Ok(last);
        }
        1 => {
            let offset = (tag >> 6 | input.number(1)? << 2) + 1;
            let v = tag >> 2 & 15;
            (offset, if v < 15 { v + 4 } else { 18 + input.number(1)? })
        }
        2 => {
            let offset = input.number(2)? + 64;
            (offset, input.copy(tag >> 2)?)
        }
        _ => {
            let offset = input.number(2)? + 64;
            output.literals(input.take((tag >> 3 & 3) + 1)?)?;
            (offset, 4 + (tag >> 5))
        }
    };
    output.copy(offset, n)?;
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_repeats_and_copies() {
        // 4 literals, a copy of 4 from offset 4 (tag 01), a repeat of 3, then the fused form: 1 literal and 4 from 64.
        let mut stream = vec![0, 11, 3 << 3];
        stream.extend_from_slice(b"abcd");
        stream.extend_from_slice(&[1 | 3 << 6, 0]);
        stream.push(4 | 2 << 3);
        let mut out = Vec::new();
        decode(&stream, &mut out).expect("a sound stream");
        assert_eq!(out, b"abcdabcdabc");
        decode(&[0], &mut out).expect("empty");
        assert!(out.is_empty());
        decode(b"\x00\x00xyz", &mut out).expect("stored");
        assert_eq!(out, b"xyz");
    }

    #[test]
    fn damage_is_an_error() {
        let mut out = Vec::new();
        assert!(decode(&[0, 5, 3 << 3, b'a'], &mut out).is_err());
        assert!(decode(&[0, 3, 3 << 3, b'a', b'b', b'c', b'd'], &mut out).is_err());
        assert!(decode(&[0, 4, 1, 0], &mut out).is_err());
        assert!(decode(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f], &mut out).is_err());
        assert!(decode(&[], &mut out).is_err());
    }
}
