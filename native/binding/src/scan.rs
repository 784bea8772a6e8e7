//! A scan as a class.

use std::sync::Arc;

use napi::bindgen_prelude::{Uint8Array, Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;
use spanvault_core::fault::{Fault, Result as Checked};
use spanvault_store::{ExportReason, Scan, ScanOptions, ScanStep, Store};

use crate::faults::{Result, thrown};
use crate::numbers::{size, whole};
use crate::packed::disjoint;
use crate::sst::NativeSstWriter;

/// What a call of `next` did: one of the kinds `batch`, `grow` and `done`.
#[napi(object, object_from_js = false)]
pub struct NativeScanStep {
    /// Which.
    pub kind: &'static str,
    /// Entries of a batch.
    pub count: Option<f64>,
    /// Bytes of a batch.
    pub bytes_used: Option<f64>,
    /// Bytes that the next entry needs.
    pub bytes: Option<f64>,
}

/// What a call of `encode` did; see contract.ts.
#[napi(object, object_from_js = false)]
pub struct NativeScanEncode {
    /// `more`, `out`, `cut` or `done`.
    pub reason: &'static str,
    /// Entries encoded.
    pub count: f64,
    /// Their engine keys and values.
    pub bytes: f64,
    /// Filled bytes of `out`.
    pub out_pos: f64,
    /// How much of the call's time the encoder took.
    pub encode_seconds: f64,
    /// User key that begins the next file; only with `cut`.
    pub next_key: Option<Uint8Array>,
}

/// A scan in progress.
#[napi]
pub struct NativeScan {
    /// None after `close`.
    scan: Option<Scan>,
}

impl NativeScan {
    pub(crate) fn open(store: Arc<Store>, options: ScanOptions) -> Checked<Self> {
        Ok(NativeScan { scan: Some(Scan::new(store, options)?) })
    }

    fn open_scan(&mut self) -> Checked<&mut Scan> {
        self.scan.as_mut().ok_or_else(|| Fault::usage("the scan is closed"))
    }
}

#[napi]
impl NativeScan {
    /// Fills a batch.
    #[napi(catch_unwind)]
    pub fn next(&mut self, mut bytes: Uint8ArraySlice, mut offsets: Uint32ArraySlice) -> Result<NativeScanStep> {
        disjoint(&bytes, &offsets).map_err(thrown)?;
        // SAFETY: JavaScript of this thread waits for this call, and the two do not overlap, so each is the only borrow
        // that lives; they end with this call. Memory that another thread shares is the caller's to keep still.
        let (bytes, offsets) = unsafe { (bytes.as_mut(), offsets.as_mut()) };
        let step = self.open_scan().and_then(|scan| scan.next(bytes, offsets)).map_err(thrown)?;
        let none = NativeScanStep { kind: "done", count: None, bytes_used: None, bytes: None };
        Ok(match step {
            ScanStep::Done => none,
            ScanStep::Grow(bytes) => NativeScanStep { kind: "grow", bytes: Some(bytes as f64), ..none },
            ScanStep::Batch { count, bytes_used } => {
                NativeScanStep { kind: "batch", count: Some(count as f64), bytes_used: Some(bytes_used as f64), ..none }
            }
        })
    }

    /// Encodes what `next` would pack into a file, at `out[out_pos..]`.
    #[napi(catch_unwind)]
    pub fn encode(
        &mut self,
        sst: &mut NativeSstWriter,
        mut out: Uint8ArraySlice,
        out_pos: f64,
        limit_bytes: f64,
    ) -> Result<NativeScanEncode> {
        // SAFETY: JavaScript of this thread waits for this call: this is the only borrow of `out`, and it ends with it.
        // LMDB's map, which the call reads, is no memory of JavaScript.
        let out = unsafe { out.as_mut() };
        let mut encode = || {
            let (out_pos, limit) = (size(out_pos, "output position")?, whole(limit_bytes, "limit")?);
            self.open_scan()?.export(&mut sst.writer, out, out_pos, limit)
        };
        let step = encode().map_err(thrown)?;
        let (reason, next_key) = match step.reason {
            ExportReason::More => ("more", None),
            ExportReason::Out => ("out", None),
            ExportReason::Cut(next_key) => ("cut", Some(next_key.into())),
            ExportReason::Done => ("done", None),
        };
        Ok(NativeScanEncode {
            reason,
            count: step.entries as f64,
            bytes: step.bytes as f64,
            out_pos: step.out_pos as f64,
            encode_seconds: step.encoding.as_secs_f64(),
            next_key,
        })
    }

    /// Bytes of keys and values visited.
    #[napi(catch_unwind)]
    pub fn bytes_visited(&mut self) -> Result<f64> {
        self.open_scan().map(|scan| scan.bytes_visited() as f64).map_err(thrown)
    }

    /// Whether the change index tells it where to look.
    #[napi(catch_unwind)]
    pub fn indexed(&mut self) -> Result<bool> {
        self.open_scan().map(|scan| scan.indexed()).map_err(thrown)
    }

    /// Gives the snapshot back; closing twice is harmless.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.scan = None;
    }
}
