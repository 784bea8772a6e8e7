//! Writing one SST as a class, and describing one that lies in memory.

use napi::bindgen_prelude::{Uint8Array, Uint8ArraySlice};
use napi_derive::napi;
use spanvault_core::batch::Batch;
use spanvault_core::codec::Compression;
use spanvault_core::fault::Result as Checked;
use spanvault_core::row_boundary::RowBoundary;
use spanvault_core::sst_writer::{Reason, SstOptions, SstWriter};
use spanvault_core::verify;

use crate::faults::{Result, thrown};
use crate::numbers::{NativeTimestamp, size, whole};
use crate::packed::{copied, disjoint};

/// Settings of a file; see contract.ts.
#[napi(object)]
pub struct NativeSstOptions {
    /// `none`, `snappy` or `zstd`.
    pub compression: String,
    /// zstd level.
    pub level: f64,
    /// Uncompressed size of a block.
    pub block_bytes: f64,
    /// Entries between full keys.
    pub restart_interval: f64,
    /// Size at which the file is cut.
    pub target_file_bytes: f64,
    /// `sql` or `key`.
    pub row_boundary: String,
    /// Whether checksums of values are cleared.
    pub clear_value_checksums: bool,
    /// Prefixes of primary indexes whose id is not 1.
    pub primaries: Option<Vec<Uint8Array>>,
}

impl NativeSstOptions {
    fn parse(&self) -> Checked<SstOptions> {
        Ok(SstOptions {
            compression: Compression::parse(&self.compression)?,
            level: self.level as i32,
            block_bytes: size(self.block_bytes, "block size")?,
            restart_interval: size(self.restart_interval, "restart interval")?,
            target_file_bytes: whole(self.target_file_bytes, "target file size")?,
            row_boundary: RowBoundary::parse(&self.row_boundary)?,
            clear_value_checksums: self.clear_value_checksums,
        })
    }
}

/// How far a call of `write` came.
#[napi(object, object_from_js = false)]
pub struct NativeSstProgress {
    /// First entry not encoded.
    pub next: f64,
    /// Filled bytes of `out`.
    pub out_pos: f64,
    /// `input`, `out` or `cut`.
    pub reason: &'static str,
}

/// How far a call of `finish` came.
#[napi(object, object_from_js = false)]
pub struct NativeSstFinish {
    /// Filled bytes of `out`.
    pub out_pos: f64,
    /// Whether the file is complete.
    pub done: bool,
}

/// Facts of a finished file; see contract.ts.
#[napi(object, object_from_js = false)]
pub struct NativeSstFacts {
    /// Points.
    pub entries: f64,
    /// Engine keys with trailers.
    pub raw_key_bytes: f64,
    /// Values.
    pub raw_value_bytes: f64,
    /// Data blocks.
    pub data_blocks: f64,
    /// Size of the file.
    pub file_bytes: f64,
    /// User key of the first entry.
    pub first_key: Uint8Array,
    /// User key of the last entry.
    pub last_key: Uint8Array,
    /// Rows of primary indexes.
    pub rows: f64,
    /// Entries of other indexes.
    pub index_entries: f64,
    /// User keys and values.
    pub data_bytes: f64,
}

/// One SST being written.
#[napi]
pub struct NativeSstWriter {
    pub(crate) writer: SstWriter,
}

/// A writer of one file.
#[napi(catch_unwind)]
pub fn new_sst_writer(options: NativeSstOptions) -> Result<NativeSstWriter> {
    let mut writer = options.parse().and_then(SstWriter::new).map_err(thrown)?;
    writer.set_primaries(copied(options.primaries.as_deref()));
    Ok(NativeSstWriter { writer })
}

#[napi]
impl NativeSstWriter {
    /// Encodes entries of a batch from `from` into `out` from `out_pos`.
    #[napi(catch_unwind)]
    pub fn write(
        &mut self,
        bytes: &[u8],
        offsets: &[u32],
        count: f64,
        from: f64,
        mut out: Uint8ArraySlice,
        out_pos: f64,
    ) -> Result<NativeSstProgress> {
        disjoint(&out, bytes).and_then(|()| disjoint(&out, offsets)).map_err(thrown)?;
        // SAFETY: JavaScript of this thread waits for this call and `out` overlaps neither input: this is its only
        // borrow, and it ends with this call.
        let out = unsafe { out.as_mut() };
        let step = size(count, "entry count")
            .and_then(|count| Batch::new(bytes, offsets, count))
            .and_then(|batch| self.writer.write(&batch, size(from, "entry")?, out, size(out_pos, "output position")?))
            .map_err(thrown)?;
        let reason = match step.reason {
            Reason::Input => "input",
            Reason::Out => "out",
            Reason::Cut => "cut",
        };
        Ok(NativeSstProgress { next: step.next as f64, out_pos: step.out_pos as f64, reason })
    }

    /// Ends the file; call until done.
    #[napi(catch_unwind)]
    pub fn finish(&mut self, mut out: Uint8ArraySlice, out_pos: f64) -> Result<NativeSstFinish> {
        // SAFETY: JavaScript of this thread waits for this call: this is the only borrow of `out`, and it ends with it.
        let out = unsafe { out.as_mut() };
        let (pos, done) = size(out_pos, "output position").and_then(|pos| self.writer.finish(out, pos)).map_err(thrown)?;
        Ok(NativeSstFinish { out_pos: pos as f64, done })
    }

    /// Facts of the finished file.
    #[napi(catch_unwind)]
    pub fn facts(&self) -> Result<NativeSstFacts> {
        let facts = self.writer.facts().map_err(thrown)?;
        Ok(NativeSstFacts {
            entries: facts.entries as f64,
            raw_key_bytes: facts.raw_key_bytes as f64,
            raw_value_bytes: facts.raw_value_bytes as f64,
            data_blocks: facts.data_blocks as f64,
            file_bytes: facts.file_bytes as f64,
            first_key: facts.first_key.clone().into(),
            last_key: facts.last_key.clone().into(),
            rows: facts.rows as f64,
            index_entries: facts.index_entries as f64,
            data_bytes: facts.data_bytes as f64,
        })
    }
}

/// One property of a file.
#[napi(object, object_from_js = false)]
pub struct NativeSstProperty {
    /// Name.
    pub name: String,
    /// Bytes as stored.
    pub value: Uint8Array,
}

/// What a whole file holds; see contract.ts.
#[napi(object, object_from_js = false)]
pub struct NativeSstReport {
    /// Format name.
    pub format: String,
    /// Compressions of data blocks.
    pub compression: Vec<String>,
    /// Data blocks.
    pub data_blocks: f64,
    /// Points.
    pub entries: f64,
    /// Range keys.
    pub range_keys: f64,
    /// Keys with versions and trailers.
    pub raw_key_bytes: f64,
    /// Values.
    pub raw_value_bytes: f64,
    /// User key of the first entry.
    pub first_key: Uint8Array,
    /// User key of the last entry.
    pub last_key: Uint8Array,
    /// Oldest version.
    pub min_timestamp: Option<NativeTimestamp>,
    /// Newest version.
    pub max_timestamp: Option<NativeTimestamp>,
    /// Values whose checksum is right.
    pub values_verified: f64,
    /// Values without one.
    pub values_unverifiable: f64,
    /// Every property.
    pub properties: Vec<NativeSstProperty>,
}

/// Reads and checks a whole file held in memory.
#[napi(catch_unwind)]
pub fn describe_sst(name: String, bytes: &[u8]) -> Result<NativeSstReport> {
    let report = verify::describe_sst(&name, bytes).map_err(thrown)?;
    Ok(NativeSstReport {
        format: report.format,
        compression: report.compression.iter().map(|&codec| codec.to_owned()).collect(),
        data_blocks: report.data_blocks as f64,
        entries: report.entries as f64,
        range_keys: report.range_keys as f64,
        raw_key_bytes: report.raw_key_bytes as f64,
        raw_value_bytes: report.raw_value_bytes as f64,
        first_key: report.first_key.into(),
        last_key: report.last_key.into(),
        min_timestamp: report.min_timestamp.map(NativeTimestamp::of),
        max_timestamp: report.max_timestamp.map(NativeTimestamp::of),
        values_verified: report.values_verified as f64,
        values_unverifiable: report.values_unverifiable as f64,
        properties: report
            .properties
            .into_iter()
            .map(|(name, value)| NativeSstProperty { name, value: value.into() })
            .collect(),
    })
}
