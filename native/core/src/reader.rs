//! Opening an SST (sst-format.md 16.4): footer, metaindex, properties, index, and where the data blocks are.
//!
//! Opening is a pure function of the bytes at hand: when some are missing it says which, and is called again when they
//! are there. This module must not iterate entries; `entries` does.

use crate::block_iter::walk_rows;
use crate::columnar::{KeySchema, walk_pairs};
use crate::flaw::{BlockKind, Flaw, Place};
use crate::footer::{Footer, Format, Handle, MAX_FOOTER_BYTES, parse_footer};
use crate::index::DataHandles;
pub use crate::index::Want;
use crate::properties::Properties;
use crate::range_key::{RangeKey, read_spans};
use crate::source::{BlockReader, Stop, Window, check_block, decode_payload};
use crate::value_block::ValueIndex;

/// Bytes at the end of a file that are asked for first: they nearly always hold all that opening needs.
pub const SUFFIX_BYTES: u64 = 64 << 10;

/// Order of the keys of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparer {
    /// `cockroach_comparator`; also taken when a file names none.
    Cockroach,
    /// `leveldb.BytewiseComparator`.
    Bytewise,
}

/// Handles named by the metaindex block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SideBlocks {
    /// Properties.
    pub properties: Option<Handle>,
    /// Range deletions; the same block may be listed under two names.
    pub range_del: Option<Handle>,
    /// Range keys.
    pub range_key: Option<Handle>,
    /// Handles of value blocks, with the three widths of its rows.
    pub value_index: Option<(Handle, [u8; 3])>,
    /// A filter.
    pub filter: Option<Handle>,
    /// The file's values lie in blob files.
    pub blob_references: bool,
    /// Data blocks need a dictionary.
    pub dictionary: bool,
}

/// What is read before the index.
#[derive(Debug, Clone)]
pub struct TableHead {
    /// Footer.
    pub footer: Footer,
    /// Other blocks.
    pub side: SideBlocks,
    /// Properties.
    pub properties: Properties,
    /// Order of keys; `None` when the file names an order that is not known.
    pub comparer: Option<Comparer>,
    /// Columns of keys; only meaningful for columnar files.
    pub schema: KeySchema,
    two_level: bool,
    pub(crate) user_key_index: bool,
    pub(crate) delta_index: bool,
}

/// An opened table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Everything but the index.
    pub head: TableHead,
    /// Data blocks that may hold wanted keys, in key order.
    pub blocks: Vec<Handle>,
    /// `blocks` is all there are.
    pub complete: bool,
    /// Value blocks.
    pub values: ValueIndex,
    /// Range keys, in the order of the file.
    pub range_keys: Vec<RangeKey>,
}

fn parse_side(block: &[u8], format: Format) -> Result<SideBlocks, Flaw> {
    let mut side = SideBlocks::default();
    let visit = |name: &[u8], value: &[u8]| {
        let read = Handle::read(value);
        let handle = || {
            read.map(|(handle, _)| handle)
                .ok_or_else(|| Flaw::damaged_by(format!("has no handle for {}", String::from_utf8_lossy(name))))
        };
        match name {
            b"rocksdb.properties" | b"rocksdb.stats" => side.properties = Some(handle()?),
            b"rocksdb.range_del" | b"rocksdb.range_del2" => side.range_del = Some(handle()?),
            b"pebble.range_key" => side.range_key = Some(handle()?),
            b"pebble.value_index" => {
                let used = read.map_or(0, |(_, used)| used);
                match value.get(used..) {
                    Some(&[a, b, c]) => side.value_index = Some((handle()?, [a, b, c])),
                    _ => return Err(Flaw::damaged("has no widths for pebble.value_index")),
                }
            }
            b"pebble.blob_ref_index" => side.blob_references = true,
            b"rocksdb.compression_dict" => side.dictionary = true,
            _ if name.starts_with(b"fullfilter.") => side.filter = Some(handle()?),
            _ => {}
        }
        Ok(())
    };
    if format.columnar_metaindex() {
        walk_pairs(block, visit)?;
    } else {
        walk_rows(block, visit)?;
    }
    Ok(side)
}

/// Reads the properties block. RocksDB may have overwritten the 8 bytes of the global sequence number in place without
/// fixing the checksum, so a mismatch is tried again with zeros there (section 9.3).
fn read_properties(reader: &mut BlockReader<'_>, footer: &Footer, handle: Handle) -> Result<Properties, Stop> {
    const SEQNO: &[u8] = b"external_sst_file.global_seqno";
    let stored = reader.stored(footer, handle, BlockKind::Properties)?;
    let mut patched = Vec::new();
    let checked = check_block(stored, footer.checksum).or_else(|flaw| {
        if matches!(footer.format, Format::Pebble(_)) {
            return Err(flaw);
        }
        let at = stored.windows(SEQNO.len()).position(|w| w == SEQNO).map(|at| at + SEQNO.len());
        patched = stored.to_vec();
        match at.and_then(|at| patched.get_mut(at..at + 8)) {
            Some(number) => number.fill(0),
            None => return Err(flaw),
        }
        check_block(&patched, footer.checksum).map_err(|_| flaw)
    });
    let mut block = Vec::new();
    checked
        .and_then(|(payload, id)| {
            if id != 0 && !footer.format.columnar_properties() {
                return Err(Flaw::damaged("is compressed, which it must not be"));
            }
            decode_payload(reader.codec, id, payload, &mut block)?;
            Properties::parse(&block, footer.format.columnar_properties())
        })
        .map_err(|flaw| reader.fault(BlockKind::Properties, handle.offset, flaw))
}

impl TableHead {
    /// Reads footer, metaindex and properties of a file of `file_bytes` bytes.
    ///
    /// # Errors
    /// Damage, a format that is not read, or missing bytes.
    pub fn open(reader: &mut BlockReader<'_>, file_bytes: u64) -> Result<Self, Stop> {
        let tail = file_bytes.min(MAX_FOOTER_BYTES as u64);
        let Some(bytes) = reader.source.get(file_bytes - tail, tail) else {
            let length = file_bytes.min(SUFFIX_BYTES);
            return Err(Stop::Missing(vec![Window { offset: file_bytes - length, length }]));
        };
        let footer = parse_footer(bytes, file_bytes).map_err(|flaw| Place::footer(reader.file).fault(flaw))?;
        let (mut block, at) = (Vec::new(), footer.metaindex.offset);
        let id = reader.read(&footer, footer.metaindex, BlockKind::Metaindex, &mut block)?;
        if id != 0 {
            return Err(reader.fault(BlockKind::Metaindex, at, Flaw::damaged("is compressed, which it must not be")));
        }
        let side = parse_side(&block, footer.format).map_err(|flaw| reader.fault(BlockKind::Metaindex, at, flaw))?;
        let Some(handle) = side.properties else {
            return Err(reader.fault(BlockKind::Metaindex, at, Flaw::damaged("names no properties block")));
        };
        let properties = read_properties(reader, &footer, handle)?;
        Self::judge(footer, side, properties).map_err(|flaw| reader.fault(BlockKind::Properties, handle.offset, flaw))
    }

    fn judge(footer: Footer, side: SideBlocks, properties: Properties) -> Result<Self, Flaw> {
        if let Some(bits) = footer.attributes {
            let derived = properties.attributes()?;
            if bits != derived {
                return Err(Flaw::damaged_by(format!("implies the attributes {derived:x}, the footer has {bits:x}")));
            }
        }
        let blobs = properties.counter_or_zero("pebble.num.values.in.blob-files")?;
        if blobs > 0 || side.blob_references {
            return Err(Flaw::unsupported(format!("counts {blobs} values in blob files, which lie outside of the sst")));
        }
        if side.dictionary {
            return Err(Flaw::unsupported("belongs to blocks compressed with a dictionary".to_owned()));
        }
        let comparer = match properties.get("rocksdb.comparator") {
            None | Some(b"" | b"cockroach_comparator") => Some(Comparer::Cockroach),
            Some(b"leveldb.BytewiseComparator") => Some(Comparer::Bytewise),
            Some(_) => None,
        };
        let schema = match properties.get("pebble.colblk.schema") {
            Some(name) => KeySchema::named(name)?,
            None if footer.format.columnar_data() => return Err(Flaw::damaged("names no key schema")),
            None => KeySchema::Default,
        };
        let two_level = match properties.index_type()? {
            0 | 1 | 3 => false,
            2 if footer.format != Format::LevelDb => true,
            other => return Err(Flaw::damaged_by(format!("names the index type {other}"))),
        };
        let rocksdb = matches!(footer.format, Format::RocksDb(_));
        let user_key_index = rocksdb && properties.counter_or_zero("rocksdb.index.key.is.user.key")? == 1;
        let delta_index = rocksdb && properties.counter_or_zero("rocksdb.index.value.is.delta.encoded")? == 1;
        Ok(Self { footer, side, properties, comparer, schema, two_level, user_key_index, delta_index })
    }

    /// The index has two levels.
    #[must_use]
    pub fn two_level(&self) -> bool {
        self.two_level
    }
}

impl Table {
    /// Opens a file; `want` judges each separator of the index, partitions of a two-level index included.
    ///
    /// # Errors
    /// Damage, a format that is not read, or missing bytes (all of those known to be missing).
    pub fn open(reader: &mut BlockReader<'_>, file_bytes: u64, want: &dyn Fn(&[u8]) -> Want) -> Result<Self, Stop> {
        let head = TableHead::open(reader, file_bytes)?;
        let mut missing = Vec::new();
        let mut later = |stop: Stop| match stop {
            Stop::Missing(windows) => {
                missing.extend(windows);
                Ok(())
            }
            fault @ Stop::Fault(_) => Err(fault),
        };
        let mut values = ValueIndex::default();
        if let Some((handle, widths)) = head.side.value_index {
            match ValueIndex::read(reader, &head.footer, handle, widths) {
                Ok(index) => values = index,
                Err(stop) => later(stop)?,
            }
        }
        let mut range_keys = Vec::new();
        if let Some(handle) = head.side.range_key {
            match read_spans(reader, &head.footer, handle, BlockKind::RangeKey) {
                Ok(keys) => range_keys = keys,
                Err(stop) => later(stop)?,
            }
        }
        let mut index = DataHandles::new();
        let top = vec![head.footer.index];
        let partitions = if head.two_level {
            let mut partitions = DataHandles::new();
            match partitions.collect(&head, reader, &top, want) {
                Ok(()) => index.complete = partitions.complete,
                Err(stop) => later(stop)?,
            }
            partitions.blocks
        } else {
            top
        };
        match index.collect(&head, reader, &partitions, want) {
            Ok(()) => {}
            Err(stop) => later(stop)?,
        }
        if !missing.is_empty() {
            return Err(Stop::Missing(missing));
        }
        Ok(Self { head, blocks: index.blocks, complete: index.complete, values, range_keys })
    }
}
