//! A whole file, checked and described: every block, the order of its keys, its counts, its value checksums.
//!
//! Tolerates what a backup would not hold (kinds other than SET, overwritten keys), since it describes files of live
//! stores too. Must not decide what a merge accepts.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::block_iter::{RowFrame, check_restarts};
use crate::codec::Decompressor;
use crate::engine_key::{self, Timestamp};
use crate::entries::{Entries, EntrySums, KIND_SET, ValuePlace, Version};
use crate::fault::{Fault, escape_key};
use crate::flaw::{BlockKind, Flaw, Place};
use crate::footer::Handle;
use crate::properties::Properties;
use crate::range_key::{RANGE_KEY_DEL, RANGE_KEY_SET, RANGE_KEY_UNSET, read_spans};
use crate::reader::{Comparer, Table, TableHead, Want};
use crate::source::{BlockReader, Stop, WholeFile, check_block, compression_name};
use crate::value::{self, Verdict};
use crate::value_block::ValueCache;

/// What a whole file holds; see `SstReport` of `src/native/contract.ts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SstReport {
    /// Name of the format.
    pub format: String,
    /// Compressions of the data blocks.
    pub compression: Vec<&'static str>,
    /// Data blocks.
    pub data_blocks: u64,
    /// Points.
    pub entries: u64,
    /// Range keys.
    pub range_keys: u64,
    /// Keys with versions and trailers.
    pub raw_key_bytes: u64,
    /// Values.
    pub raw_value_bytes: u64,
    /// User key of the first entry.
    pub first_key: Vec<u8>,
    /// User key of the last entry.
    pub last_key: Vec<u8>,
    /// Oldest version.
    pub min_timestamp: Option<Timestamp>,
    /// Newest version.
    pub max_timestamp: Option<Timestamp>,
    /// Values whose checksum is right.
    pub values_verified: u64,
    /// Values without a checksum.
    pub values_unverifiable: u64,
    /// Every property.
    pub properties: Vec<(String, Vec<u8>)>,
}

/// Compares what was read from a whole file with what its properties count.
///
/// # Errors
/// Damage: they differ.
pub fn check_sums(properties: &Properties, sums: EntrySums, blocks: usize) -> Result<(), Flaw> {
    let deletions = properties.counter_or_zero("rocksdb.num.range-deletions")?;
    let mut checks = vec![("rocksdb.num.entries", sums.entries + deletions)];
    if deletions == 0 {
        checks.push(("rocksdb.raw.key.size", sums.raw_key_bytes));
        checks.push(("rocksdb.raw.value.size", sums.raw_value_bytes));
    }
    if sums.entries > 0 {
        checks.push(("rocksdb.num.data.blocks", blocks as u64));
    }
    for (name, found) in checks {
        if let Some(counted) = properties.counter(name)?.filter(|&counted| counted != found) {
            return Err(Flaw::damaged_by(format!("has {name} {counted}, the file holds {found}")));
        }
    }
    Ok(())
}

/// Reads and checks a whole file held in memory.
///
/// # Errors
/// `SV_CORRUPT_SST` naming block and offset, `SV_CORRUPT_VALUE` naming the key, `SV_UNSUPPORTED_FORMAT`.
pub fn describe_sst(name: &str, bytes: &[u8]) -> Result<SstReport, Fault> {
    let mut codec = Decompressor::new();
    let mut reader = BlockReader { source: &WholeFile(bytes), file: name, codec: &mut codec };
    let checked =
        Table::open(&mut reader, bytes.len() as u64, &|_| Want::Take).and_then(|table| describe_table(&mut reader, &table));
    checked.map_err(|stop| match stop {
        Stop::Fault(fault) => fault,
        Stop::Missing(windows) => {
            let at = windows.first().map_or(0, |w| w.offset);
            Fault::corrupt_sst(format!("sst {name}: footer refers to bytes at {at}, the file has {}", bytes.len()))
        }
    })
}

fn describe_table(reader: &mut BlockReader<'_>, table: &Table) -> Result<SstReport, Stop> {
    let head = &table.head;
    check_side_blocks(reader, table)?;
    let properties_at = head.side.properties.map_or(0, |h| h.offset);
    if head.comparer.is_none() {
        // Its order cannot be judged; but damage is named before that.
        let mut block = Vec::new();
        for handle in &table.blocks {
            reader.read(&head.footer, *handle, BlockKind::Data, &mut block)?;
        }
        let name = String::from_utf8_lossy(head.properties.get("rocksdb.comparator").unwrap_or_default());
        let flaw = Flaw::unsupported(format!("names the unknown comparator {name}"));
        return Err(reader.fault(BlockKind::Properties, properties_at, flaw));
    }
    let mut walk = Walk::new(head);
    let separators = separators(reader, head)?;
    for (i, handle) in table.blocks.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| separators.get(i));
        walk.block(reader, table, *handle, before, separators.get(i))?;
    }
    let mut report = walk.report;
    let sums = walk.entries.sums();
    let judged = if walk.only_sets { check_sums(&head.properties, sums, table.blocks.len()) } else { Ok(()) };
    judged
        .and_then(|()| check_range_keys(&head.properties, table))
        .map_err(|flaw| reader.fault(BlockKind::Properties, properties_at, flaw))?;
    report.format = head.footer.format.name();
    report.compression = walk.compressions.into_iter().collect();
    report.data_blocks = table.blocks.len() as u64;
    report.entries = sums.entries;
    report.range_keys = table.range_keys.len() as u64;
    report.raw_key_bytes = sums.raw_key_bytes;
    report.raw_value_bytes = sums.raw_value_bytes;
    report.last_key = walk.entries.user_key().to_vec();
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    report.properties = head.properties.pairs().iter().map(|(name, value)| (text(name), value.clone())).collect();
    Ok(report)
}

/// Reads the blocks that opening does not: filter, value blocks, range deletions.
fn check_side_blocks(reader: &mut BlockReader<'_>, table: &Table) -> Result<(), Stop> {
    let head = &table.head;
    if let Some(handle) = head.side.filter {
        let stored = reader.stored(&head.footer, handle, BlockKind::Filter)?;
        check_block(stored, head.footer.checksum).map_err(|flaw| reader.fault(BlockKind::Filter, handle.offset, flaw))?;
    }
    let mut block = Vec::new();
    for handle in table.values.blocks() {
        reader.read(&head.footer, *handle, BlockKind::Value, &mut block)?;
    }
    if let Some(handle) = head.side.range_del {
        let found = read_spans(reader, &head.footer, handle, BlockKind::RangeDel)?.len() as u64;
        let counted = head.properties.counter("rocksdb.num.range-deletions");
        match counted {
            Ok(Some(counted)) if counted != found => {
                let flaw = format!("holds {found} range deletions, the properties count {counted}");
                return Err(reader.fault(BlockKind::RangeDel, handle.offset, Flaw::damaged_by(flaw)));
            }
            Ok(_) => {}
            Err(flaw) => return Err(reader.fault(BlockKind::Properties, 0, flaw)),
        }
    }
    Ok(())
}

fn check_range_keys(properties: &Properties, table: &Table) -> Result<(), Flaw> {
    for (kind, name) in [
        (RANGE_KEY_SET, "pebble.num.range-key-sets"),
        (RANGE_KEY_UNSET, "pebble.num.range-key-unsets"),
        (RANGE_KEY_DEL, "pebble.num.range-key-dels"),
    ] {
        let found = table.range_keys.iter().filter(|key| key.kind == kind).count() as u64;
        let counted = properties.counter_or_zero(name)?;
        if counted != found {
            return Err(Flaw::damaged_by(format!("has {name} {counted}, the file holds {found}")));
        }
    }
    Ok(())
}

/// The separator of every data block.
fn separators(reader: &mut BlockReader<'_>, head: &TableHead) -> Result<Vec<Vec<u8>>, Stop> {
    let mut partitions = vec![head.footer.index];
    let mut block = Vec::new();
    if head.two_level() {
        partitions.clear();
        reader.read(&head.footer, head.footer.index, BlockKind::Index, &mut block)?;
        head.walk_index(&block, |_, handle| {
            partitions.push(handle);
            Ok(())
        })
        .map_err(|flaw| reader.fault(BlockKind::Index, head.footer.index.offset, flaw))?;
    }
    let mut separators = Vec::new();
    for handle in partitions {
        reader.read(&head.footer, handle, BlockKind::Index, &mut block)?;
        head.walk_index(&block, |separator, _| {
            separators.push(separator.to_vec());
            Ok(())
        })
        .map_err(|flaw| reader.fault(BlockKind::Index, handle.offset, flaw))?;
    }
    Ok(separators)
}

/// The walk over all entries.
struct Walk<'a> {
    head: &'a TableHead,
    entries: Entries,
    values: ValueCache,
    compressions: BTreeSet<&'static str>,
    /// Values are MVCC values: keys are CockroachDB's, and so is the merge operator, if any.
    mvcc: bool,
    only_sets: bool,
    report: SstReport,
}

impl<'a> Walk<'a> {
    fn new(head: &'a TableHead) -> Self {
        let merger = head.properties.get("rocksdb.merge.operator").unwrap_or_default();
        let mvcc =
            head.comparer == Some(Comparer::Cockroach) && matches!(merger, b"" | b"nullptr" | b"cockroach_merge_operator");
        Self {
            head,
            entries: Entries::new(&[], true),
            values: ValueCache::default(),
            compressions: BTreeSet::new(),
            mvcc,
            only_sets: true,
            report: SstReport::default(),
        }
    }

    /// Checks one block, which lies between two separators.
    fn block(
        &mut self,
        reader: &mut BlockReader<'_>,
        table: &Table,
        handle: Handle,
        after: Option<&Vec<u8>>,
        until: Option<&Vec<u8>>,
    ) -> Result<(), Stop> {
        let place = Place::block(reader.file, BlockKind::Data, handle.offset);
        let refuse = |flaw: Flaw| Stop::Fault(place.fault(flaw));
        let id = reader.read(&self.head.footer, handle, BlockKind::Data, self.entries.block_mut())?;
        self.compressions.insert(compression_name(id));
        if !self.head.footer.format.columnar_data() {
            let block = self.entries.block();
            RowFrame::read(block).and_then(|frame| check_restarts(block, &frame)).map_err(refuse)?;
        }
        self.entries.open_block(self.head).map_err(refuse)?;
        let mut first = true;
        while self.entries.advance(self.head).map_err(refuse)? {
            if std::mem::replace(&mut first, false) {
                self.ordered(after, "before").map_err(refuse)?;
            }
            self.entry(reader, table, handle, place)?;
        }
        if first {
            return Ok(());
        }
        self.ordered(until, "behind").map_err(refuse)
    }

    /// The first entry must not lie before the separator in front of the block, the last not behind the block's own.
    fn ordered(&self, separator: Option<&Vec<u8>>, side: &str) -> Result<(), Flaw> {
        let Some(separator) = separator else { return Ok(()) };
        let key = self.entries.engine_key();
        let wrong = |order: Ordering| if side == "before" { order.is_lt() } else { order.is_gt() };
        // Some writers shorten separators bytewise, without the sentinel: those only lie between in bytewise order.
        let as_keys = self.head.comparer == Some(Comparer::Cockroach);
        let wrong = wrong(key.cmp(separator.as_slice())) && (!as_keys || wrong(engine_key::compare(key, separator)));
        if !wrong {
            return Ok(());
        }
        Err(Flaw::damaged_by(format!(
            "holds the key {} {side} its index separator {}",
            escape_key(key),
            escape_key(separator)
        )))
    }

    fn entry(&mut self, reader: &mut BlockReader<'_>, table: &Table, handle: Handle, place: Place<'_>) -> Result<(), Stop> {
        if self.entries.sums().entries == 1 {
            self.report.first_key = self.entries.user_key().to_vec();
        }
        self.only_sets &= self.entries.kind() == KIND_SET;
        let stored = match self.entries.value_place() {
            ValuePlace::Block(_) => self.entries.value_in_block(),
            ValuePlace::OutOfLine(value) => {
                self.values.load(reader, &self.head.footer, &table.values, *value, handle.offset)?;
                self.values.get(*value).map_err(|flaw| place.fault(flaw))?
            }
        };
        let Version::At(timestamp) = self.entries.version() else { return Ok(()) };
        let report = &mut self.report;
        report.min_timestamp = Some(report.min_timestamp.map_or(timestamp, |t| t.min(timestamp)));
        report.max_timestamp = Some(report.max_timestamp.map_or(timestamp, |t| t.max(timestamp)));
        if !self.mvcc || self.entries.kind() != KIND_SET {
            report.values_unverifiable += 1;
            return Ok(());
        }
        match value::verify(self.entries.user_key(), stored) {
            Ok(Verdict::Verified(_)) => report.values_verified += 1,
            Ok(Verdict::Unverifiable) => report.values_unverifiable += 1,
            Err(fault) => return Err(Stop::Fault(fault.within(&format!("sst {}", reader.file)))),
        }
        Ok(())
    }
}
