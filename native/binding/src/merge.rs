//! A merge of layers as a class.

use napi::bindgen_prelude::{Either, Null, Uint8Array, Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;
use spanvault_core::cursor::MergeFile;
use spanvault_core::emit::Checksums;
use spanvault_core::fault::{Fault, Result as Checked};
use spanvault_core::merge::{LayerMerge, MergeOptions, MergeStep};
use spanvault_core::selection::Mode;
use spanvault_store::{LocalMerge, LocalStep};

use crate::faults::{Result, thrown};
use crate::files::NativeFileFault;
use crate::numbers::{NativeTimestamp, size, small, whole};
use crate::packed::{copied, disjoint};

type MaybeTimestamp = Either<NativeTimestamp, Null>;

/// Settings of a merge; see contract.ts.
#[napi(object)]
pub struct NativeMergeOptions {
    /// First user key; empty = no bound.
    pub start_key: Uint8Array,
    /// Bound of user keys; empty = none.
    pub end_key: Uint8Array,
    /// Versions after this are skipped.
    pub as_of: MaybeTimestamp,
    /// Versions at or before this are skipped.
    pub after: MaybeTimestamp,
    /// `latest` or `all`.
    pub mode: String,
    /// Whether deleted keys are left out.
    pub drop_tombstones: bool,
    /// Old prefix, new prefix, …
    pub rewrites: Vec<Uint8Array>,
    /// Timestamp of every emitted version.
    pub rewrite_timestamp: MaybeTimestamp,
    /// `keep`, `clear` or `compute`.
    pub checksums: String,
    /// Whether value checksums are checked.
    pub verify_checksums: bool,
    /// Prefixes of emitted primary indexes whose id is not 1.
    pub primaries: Option<Vec<Uint8Array>>,
    /// Bytes of windows that all files together hold.
    pub window_budget: Option<f64>,
}

fn timestamp(value: &MaybeTimestamp) -> Checked<Option<spanvault_core::engine_key::Timestamp>> {
    match value {
        Either::A(timestamp) => timestamp.parse().map(Some),
        Either::B(_) => Ok(None),
    }
}

impl NativeMergeOptions {
    fn parse(&self) -> Checked<MergeOptions> {
        Ok(MergeOptions {
            start_key: self.start_key.to_vec(),
            end_key: self.end_key.to_vec(),
            as_of: timestamp(&self.as_of)?,
            after: timestamp(&self.after)?,
            mode: match self.mode.as_str() {
                "latest" => Mode::Latest,
                "all" => Mode::All,
                other => return Err(Fault::usage(format!("merge mode {other:?} is neither latest nor all"))),
            },
            drop_tombstones: self.drop_tombstones,
            rewrites: copied(Some(&self.rewrites)),
            rewrite_timestamp: timestamp(&self.rewrite_timestamp)?,
            checksums: match self.checksums.as_str() {
                "keep" => Checksums::Keep,
                "clear" => Checksums::Clear,
                "compute" => Checksums::Compute,
                other => return Err(Fault::usage(format!("checksums {other:?} is not keep, clear or compute"))),
            },
            verify_checksums: self.verify_checksums,
        })
    }
}

/// One input file; see contract.ts.
#[napi(object)]
pub struct NativeMergeFile {
    /// For messages.
    pub name: String,
    /// Size of the file.
    pub file_bytes: f64,
    /// Position of its layer.
    pub layer: f64,
    /// Prefix that was removed from its keys.
    pub elided_prefix: Uint8Array,
    /// First user key of interest.
    pub start_key: Uint8Array,
    /// Bound of user keys.
    pub end_key: Uint8Array,
    /// Whether the bound itself is of interest.
    pub end_inclusive: bool,
    /// Whether every read is a round trip over a network.
    pub remote: Option<bool>,
    /// Bytes of the file's end that are asked for first.
    pub tail_bytes: Option<f64>,
}

impl NativeMergeFile {
    fn parse(&self) -> Checked<MergeFile> {
        Ok(MergeFile {
            name: self.name.clone(),
            file_bytes: whole(self.file_bytes, "file size")?,
            layer: small(self.layer, "layer")?,
            elided_prefix: self.elided_prefix.to_vec(),
            start_key: self.start_key.to_vec(),
            end_key: self.end_key.to_vec(),
            end_inclusive: self.end_inclusive,
            remote: self.remote.unwrap_or(false),
            tail_bytes: whole(self.tail_bytes.unwrap_or(0.0), "tail size")?,
        })
    }
}

/// Bytes of a file that are needed.
#[napi(object, object_from_js = false)]
pub struct NativeNeed {
    /// Number of the file.
    pub file: f64,
    /// First byte.
    pub offset: f64,
    /// Number of bytes.
    pub length: f64,
    /// Whether they were handed in before and did not decode.
    pub again: bool,
}

/// Whether a file of this machine was added.
#[napi(object, object_from_js = false)]
pub struct NativeAddedFile {
    /// Why it was not.
    pub fault: Option<NativeFileFault>,
    /// Its size.
    pub file_bytes: Option<f64>,
}

/// What was read of the files of this machine, by their numbers.
#[napi(object, object_from_js = false)]
pub struct NativeLocalReads {
    /// Windows.
    pub reads: Vec<f64>,
    /// Their bytes.
    pub bytes: Vec<f64>,
    /// How long that took.
    pub seconds: Vec<f64>,
}

/// What a call of `next` came to: one of the kinds `batch`, `need`, `grow`, `failed` and `done`.
#[napi(object, object_from_js = false)]
pub struct NativeMergeStep {
    /// Which.
    pub kind: &'static str,
    /// Entries of a batch.
    pub count: Option<f64>,
    /// Bytes of a batch.
    pub bytes_used: Option<f64>,
    /// Windows to read.
    pub needs: Option<Vec<NativeNeed>>,
    /// Bytes that the next entry needs.
    pub bytes: Option<f64>,
    /// Number of the file that cannot be read.
    pub file: Option<f64>,
    /// Why.
    pub fault: Option<NativeFileFault>,
}

/// Counters; see contract.ts.
#[napi(object, object_from_js = false)]
pub struct NativeMergeFacts {
    /// Entries within the bounds.
    pub entries_read: f64,
    /// Entries written.
    pub entries_emitted: f64,
    /// User key and value bytes written.
    pub bytes_emitted: f64,
    /// Rows of primary indexes written.
    pub rows: f64,
    /// Entries of other indexes written.
    pub index_entries: f64,
    /// Bytes fed.
    pub bytes_read: f64,
    /// Data blocks decoded.
    pub blocks_read: f64,
    /// Deleted keys left out.
    pub tombstones_dropped: f64,
    /// Keys under no rewritten prefix.
    pub keys_outside_rewrites: f64,
}

/// A merge in progress.
#[napi]
pub struct NativeMerge {
    /// `None` once it is closed.
    merge: Option<LocalMerge>,
}

impl NativeMerge {
    fn open(&mut self) -> Checked<&mut LocalMerge> {
        self.merge.as_mut().ok_or_else(|| Fault::usage("a merge was used after it was closed"))
    }
}

/// A merge without files.
#[napi(catch_unwind)]
pub fn new_merge(options: NativeMergeOptions) -> Result<NativeMerge> {
    let mut merge = options.parse().and_then(|options| LayerMerge::new(&options)).map_err(thrown)?;
    if let Some(bytes) = options.window_budget {
        merge.set_budget(whole(bytes, "window budget").map_err(thrown)?);
    }
    merge.set_primaries(copied(options.primaries.as_deref()));
    Ok(NativeMerge { merge: Some(LocalMerge::new(merge)) })
}

#[napi]
impl NativeMerge {
    /// Adds an input file.
    #[napi(catch_unwind)]
    pub fn add_file(&mut self, file: NativeMergeFile) -> Result<f64> {
        file.parse().and_then(|file| self.open()?.add_file(file)).map(|number| number as f64).map_err(thrown)
    }

    /// Adds a file of this machine, which the merge reads itself; its size is looked up.
    #[napi(catch_unwind)]
    pub fn add_local_file(&mut self, file: NativeMergeFile, root: String, path: String) -> Result<NativeAddedFile> {
        let added = file.parse().and_then(|file| self.open()?.add_local(file, root.as_ref(), path.as_ref()));
        Ok(match added.map_err(thrown)? {
            Ok(bytes) => NativeAddedFile { fault: None, file_bytes: Some(bytes as f64) },
            Err(fault) => NativeAddedFile { fault: Some(NativeFileFault::of(Some(fault))), file_bytes: None },
        })
    }

    /// What was read of the files of this machine.
    #[napi(catch_unwind)]
    pub fn local_reads(&mut self) -> Result<NativeLocalReads> {
        let mut told = NativeLocalReads { reads: Vec::new(), bytes: Vec::new(), seconds: Vec::new() };
        for file in self.open().map_err(thrown)?.reads() {
            told.reads.push(file.reads as f64);
            told.bytes.push(file.bytes as f64);
            told.seconds.push(file.time.as_secs_f64());
        }
        Ok(told)
    }

    /// Hands in bytes that were asked for.
    #[napi(catch_unwind)]
    pub fn feed(&mut self, file: f64, offset: f64, bytes: &[u8]) -> Result<()> {
        let (file, offset) = size(file, "file").and_then(|file| Ok((file, whole(offset, "offset")?))).map_err(thrown)?;
        self.open().and_then(|merge| merge.merge_mut().feed(file, offset, bytes)).map_err(thrown)
    }

    /// Fills a batch behind the `held` entries that it has, or says what is needed.
    #[napi(catch_unwind)]
    pub fn next(
        &mut self,
        mut bytes: Uint8ArraySlice,
        mut offsets: Uint32ArraySlice,
        held: Option<f64>,
    ) -> Result<NativeMergeStep> {
        let held = disjoint(&bytes, &offsets).and_then(|()| size(held.unwrap_or(0.0), "held entries")).map_err(thrown)?;
        // SAFETY: JavaScript of this thread waits for this call, and the two do not overlap, so each is the only borrow
        // that lives; they end with this call.
        let (bytes, offsets) = unsafe { (bytes.as_mut(), offsets.as_mut()) };
        let none = NativeMergeStep {
            kind: "done",
            count: None,
            bytes_used: None,
            needs: None,
            bytes: None,
            file: None,
            fault: None,
        };
        let step = match self.open().and_then(|merge| merge.next_behind(bytes, offsets, held)).map_err(thrown)? {
            LocalStep::Step(step) => step,
            LocalStep::Failed { file, fault } => {
                let fault = Some(NativeFileFault::of(Some(fault)));
                return Ok(NativeMergeStep { kind: "failed", file: Some(file as f64), fault, ..none });
            }
        };
        Ok(match step {
            MergeStep::Done => none,
            MergeStep::Grow(bytes) => NativeMergeStep { kind: "grow", bytes: Some(bytes as f64), ..none },
            MergeStep::Batch { count, bytes_used } => {
                NativeMergeStep { kind: "batch", count: Some(count as f64), bytes_used: Some(bytes_used as f64), ..none }
            }
            MergeStep::Need(needs) => NativeMergeStep {
                kind: "need",
                needs: Some(
                    needs
                        .into_iter()
                        .map(|need| NativeNeed {
                            file: need.file as f64,
                            offset: need.offset as f64,
                            length: need.length as f64,
                            again: need.again,
                        })
                        .collect(),
                ),
                ..none
            },
        })
    }

    /// Counters so far.
    #[napi(catch_unwind)]
    pub fn facts(&mut self) -> Result<NativeMergeFacts> {
        let facts = self.open().map_err(thrown)?.merge_mut().facts();
        Ok(NativeMergeFacts {
            entries_read: facts.entries_read as f64,
            entries_emitted: facts.entries_emitted as f64,
            bytes_emitted: facts.bytes_emitted as f64,
            rows: facts.rows as f64,
            index_entries: facts.index_entries as f64,
            bytes_read: facts.bytes_read as f64,
            blocks_read: facts.blocks_read as f64,
            tombstones_dropped: facts.tombstones_dropped as f64,
            keys_outside_rewrites: facts.keys_outside_rewrites as f64,
        })
    }

    /// Frees what the merge holds, which JavaScript's collector knows nothing of.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.merge = None;
    }
}
