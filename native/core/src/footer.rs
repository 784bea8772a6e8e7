//! Footers of SST files (sst-format.md section 2): which format a file has and where its first blocks are.
//!
//! Reads LevelDB (48 bytes), RocksDB versions 2 to 5 (53), Pebble 1 to 5 (53), 6 (57), 7 and 8 (61). Everything else is
//! refused by name. This module must not read blocks.

use crate::checksum::crc32c_masked;
use crate::flaw::Flaw;
use crate::varint;

/// Bytes that follow every block: compression id and checksum.
pub const TRAILER_BYTES: u64 = 5;
/// The longest footer.
pub const MAX_FOOTER_BYTES: usize = 61;

const LEVELDB_MAGIC: [u8; 8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const ROCKSDB_MAGIC: [u8; 8] = [0xf7, 0xcf, 0xf4, 0x85, 0xb7, 0x41, 0xe2, 0x88];
const PEBBLE_MAGIC: [u8; 8] = [0xf0, 0x9f, 0xaa, 0xb3, 0xf0, 0x9f, 0xaa, 0xb3];
const BLOB_V1_MAGIC: [u8; 8] = [0xf0, 0x9f, 0xaa, 0xb3, 0xf0, 0x9f, 0xa6, 0x80];
const BLOB_V2_MAGIC: [u8; 8] = [0xf0, 0x9f, 0xaa, 0xb3, 0xf0, 0x9f, 0xa6, 0x82];

/// File format, as the footer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 48-byte footer; every backup up to 20.2.
    LevelDb,
    /// RocksDB's footer version 2 to 5.
    RocksDb(u32),
    /// Pebble's table format 1 to 8.
    Pebble(u32),
}

impl Format {
    /// The name a report shows.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::LevelDb => "leveldb".to_owned(),
            Self::RocksDb(version) => format!("rocksdb v{version}"),
            Self::Pebble(version) => format!("pebble v{version}"),
        }
    }

    fn pebble_at_least(self, version: u32) -> bool {
        matches!(self, Self::Pebble(v) if v >= version)
    }

    /// Row data blocks prefix the value of a SET with one byte (Pebble 3 and 4).
    #[must_use]
    pub fn has_value_prefix(self) -> bool {
        matches!(self, Self::Pebble(3 | 4))
    }

    /// Data, index and span blocks are columnar.
    #[must_use]
    pub fn columnar_data(self) -> bool {
        self.pebble_at_least(5)
    }

    /// The metaindex block is columnar.
    #[must_use]
    pub fn columnar_metaindex(self) -> bool {
        self.pebble_at_least(6)
    }

    /// The properties block is columnar.
    #[must_use]
    pub fn columnar_properties(self) -> bool {
        self.pebble_at_least(7)
    }

    /// Data blocks carry the three tiering columns.
    #[must_use]
    pub fn has_tiering(self) -> bool {
        self.pebble_at_least(8)
    }
}

/// Checksum of the blocks of a file (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumKind {
    /// Masked CRC-32C.
    Crc32c,
    /// Low half of xxHash64.
    XxHash64,
}

impl ChecksumKind {
    /// The name used in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32c => "crc32c",
            Self::XxHash64 => "xxhash64",
        }
    }

    fn from_id(id: u8) -> Result<Self, Flaw> {
        match id {
            1 => Ok(Self::Crc32c),
            3 => Ok(Self::XxHash64),
            0 => Err(Flaw::unsupported("has checksum type 0 (none), which is not read".to_owned())),
            2 => Err(Flaw::unsupported("has checksum type 2 (xxhash32), which is not read".to_owned())),
            4 => Err(Flaw::unsupported("has checksum type 4 (xxh3), which is not read".to_owned())),
            other => Err(Flaw::damaged_by(format!("names the unknown checksum type {other}"))),
        }
    }
}

/// Place of a block; the trailer is not counted in `length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    /// Absolute offset.
    pub offset: u64,
    /// Stored payload bytes.
    pub length: u64,
}

impl Handle {
    /// Reads a handle; also tells how many bytes it took.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (offset, used) = varint::read_u64(bytes)?;
        let (length, more) = varint::read_u64(bytes.get(used..)?)?;
        Some((Self { offset, length }, used + more))
    }

    /// End of payload and trailer when all of it lies before `limit`, the offset of the footer.
    #[must_use]
    pub fn end_within(self, limit: u64) -> Option<u64> {
        let end = self.offset.checked_add(self.length)?.checked_add(TRAILER_BYTES)?;
        (end <= limit).then_some(end)
    }
}

/// A parsed footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// Format of the file.
    pub format: Format,
    /// Checksum of every block.
    pub checksum: ChecksumKind,
    /// The metaindex block.
    pub metaindex: Handle,
    /// The (top) index block.
    pub index: Handle,
    /// Attribute bits, from Pebble 7 on.
    pub attributes: Option<u32>,
    /// Offset of the footer: every block ends at or before it.
    pub offset: u64,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_le_bytes(four))
}

fn format_of(tail: &[u8]) -> Result<(Format, usize), Flaw> {
    let n = tail.len();
    let magic: [u8; 8] = n
        .checked_sub(8)
        .and_then(|at| tail.get(at..))
        .and_then(|m| m.try_into().ok())
        .ok_or_else(|| Flaw::damaged_by(format!("is missing: the file has only {n} bytes")))?;
    let version = n.checked_sub(12).and_then(|at| u32_at(tail, at)).unwrap_or(0);
    match magic {
        LEVELDB_MAGIC => Ok((Format::LevelDb, 48)),
        ROCKSDB_MAGIC if (2..=5).contains(&version) => Ok((Format::RocksDb(version), 53)),
        ROCKSDB_MAGIC => Err(Flaw::unsupported(format!("has RocksDB format version {version}, only 2 to 5 are read"))),
        PEBBLE_MAGIC => match version {
            1..=5 => Ok((Format::Pebble(version), 53)),
            6 => Ok((Format::Pebble(version), 57)),
            7 | 8 => Ok((Format::Pebble(version), 61)),
            _ => Err(Flaw::unsupported(format!("has Pebble table format {version}, only 1 to 8 are read"))),
        },
        BLOB_V1_MAGIC | BLOB_V2_MAGIC => Err(Flaw::unsupported("is that of a Pebble blob file, not of an sst".to_owned())),
        other => Err(Flaw::damaged_by(format!("has the unknown magic number {:016x}", u64::from_be_bytes(other)))),
    }
}

/// Checks the footer's own checksum, from Pebble 6 on: it covers all but its own four bytes.
fn check_footer(footer: &[u8]) -> Result<(), Flaw> {
    let at = footer.len().saturating_sub(16);
    let stored = u32_at(footer, at).ok_or(Flaw::damaged("is cut"))?;
    let mut covered = footer.get(..at).unwrap_or_default().to_vec();
    covered.extend_from_slice(footer.get(at + 4..).unwrap_or_default());
    let computed = crc32c_masked(&covered);
    if stored == computed {
        return Ok(());
    }
    Err(Flaw::damaged_by(format!("fails its checksum (stored {stored:08x}, computed {computed:08x})")))
}

/// Parses the footer at the end of `tail`, the last bytes (at least [`MAX_FOOTER_BYTES`], or all) of a file of
/// `file_bytes` bytes.
///
/// # Errors
/// Damage, or a format that is not read; the texts continue `… footer`.
pub fn parse_footer(tail: &[u8], file_bytes: u64) -> Result<Footer, Flaw> {
    let (format, length) = format_of(tail)?;
    let footer = tail
        .len()
        .checked_sub(length)
        .and_then(|at| tail.get(at..))
        .ok_or_else(|| Flaw::damaged_by(format!("is cut: {length} bytes are needed, the file has {}", tail.len())))?;
    let offset = file_bytes.checked_sub(length as u64).ok_or(Flaw::damaged("is longer than the file"))?;
    if format.columnar_metaindex() {
        check_footer(footer)?;
    }
    let (checksum, handles) = match format {
        Format::LevelDb => (ChecksumKind::Crc32c, footer.get(..40)),
        _ => (ChecksumKind::from_id(footer.first().copied().unwrap_or(0xff))?, footer.get(1..41)),
    };
    let handles = handles.ok_or(Flaw::damaged("is cut"))?;
    let attributes = match format {
        Format::Pebble(7 | 8) => u32_at(footer, 41),
        _ => None,
    };
    let (metaindex, used) = Handle::read(handles).ok_or(Flaw::damaged("holds no metaindex handle"))?;
    let (index, _) = handles.get(used..).and_then(Handle::read).ok_or(Flaw::damaged("holds no index handle"))?;
    for (handle, what) in [(metaindex, "metaindex"), (index, "index")] {
        if handle.end_within(offset).is_none() {
            return Err(Flaw::damaged_by(format!(
                "places the {what} block at {}+{}, beyond the footer at {offset}",
                handle.offset, handle.length
            )));
        }
    }
    Ok(Footer { format, checksum, metaindex, index, attributes, offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer53(version: u32, magic: [u8; 8]) -> Vec<u8> {
        let mut out = vec![1u8, 0xa7, 0x02, 0x20, 0x44, 0x1b];
        out.resize(41, 0);
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&magic);
        out
    }

    #[test]
    fn reads_the_worked_example() {
        let footer = parse_footer(&footer53(2, ROCKSDB_MAGIC), 385).expect("section 18.1");
        assert_eq!(footer.format, Format::RocksDb(2));
        assert_eq!(footer.metaindex, Handle { offset: 295, length: 32 });
        assert_eq!(footer.index, Handle { offset: 68, length: 27 });
        assert_eq!(footer.offset, 332);
    }

    #[test]
    fn refuses_by_name() {
        let newer = parse_footer(&footer53(7, ROCKSDB_MAGIC), 385);
        assert!(matches!(newer, Err(Flaw::Unsupported(m)) if m.contains("version 7")));
        let mut magic = ROCKSDB_MAGIC;
        magic[0] ^= 1;
        let bad = parse_footer(&footer53(2, magic), 385);
        assert!(matches!(bad, Err(Flaw::Damaged(m)) if m.contains("f6cff485b741e288")));
        assert!(matches!(parse_footer(&[1, 2, 3], 3), Err(Flaw::Damaged(_))));
        let beyond = parse_footer(&footer53(2, ROCKSDB_MAGIC), 300);
        assert!(matches!(beyond, Err(Flaw::Damaged(m)) if m.contains("beyond the footer")));
    }
}
