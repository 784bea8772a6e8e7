//! A scan as a class.

use std::sync::Arc;

use napi::bindgen_prelude::{Uint32ArraySlice, Uint8ArraySlice};
use napi_derive::napi;
use spanvault_core::fault::{Fault, Result as Checked};
use spanvault_store::{Scan, ScanOptions, ScanStep, Store};

use crate::faults::{Result, thrown};
use crate::packed::disjoint;

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
            ScanStep::Batch { count, bytes_used } => NativeScanStep {
                kind: "batch",
                count: Some(count as f64),
                bytes_used: Some(bytes_used as f64),
                ..none
            },
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
