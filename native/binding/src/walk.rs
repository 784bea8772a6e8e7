//! Walks that measure spans, on a thread of Node's own pool: the one call that grows with the data and may begin on the main thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;
use spanvault_core::fault::{Fault, Result as Checked};
use spanvault_store::{SpanStats, Store};

use crate::faults::{Result, thrown};
use crate::numbers::whole;
use crate::store::open_store_at;

/// What a walk of a span found, or why it failed: an error of a task would lose its code.
#[napi(object, object_from_js = false)]
pub struct NativeWalk {
    /// The fault's code.
    pub code: Option<String>,
    /// Its message, as errors carry it.
    pub reason: Option<String>,
    /// Versions.
    pub entries: f64,
    /// User keys and values.
    pub bytes: f64,
    /// Where to cut.
    pub split_keys: Vec<Uint8Array>,
    /// Where to go on.
    pub resume_key: Option<Uint8Array>,
}

/// A walk that waits for its thread.
pub struct Walk {
    store: Arc<Store>,
    start_key: Vec<u8>,
    end_key: Vec<u8>,
    split_bytes: u64,
    limit_bytes: u64,
}

impl Task for Walk {
    type Output = Checked<SpanStats>;
    type JsValue = NativeWalk;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        // No `catch_unwind` of an export stands around this call. The walk changes nothing that outlives it.
        let walk = || self.store.stats(&self.start_key, &self.end_key, self.split_bytes, self.limit_bytes);
        Ok(catch_unwind(AssertUnwindSafe(walk)).unwrap_or_else(|_| Err(Fault::internal("a walk of a span panicked"))))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<NativeWalk> {
        let (stats, fault) = match output {
            Ok(stats) => (stats, None),
            Err(fault) => (SpanStats::default(), Some(thrown(fault))),
        };
        let (code, reason) = fault.map(|fault| (fault.status.to_owned(), fault.reason.clone())).unzip();
        Ok(NativeWalk {
            code,
            reason,
            entries: stats.entries as f64,
            bytes: stats.bytes as f64,
            split_keys: stats.split_keys.into_iter().map(Uint8Array::from).collect(),
            resume_key: stats.resume_key.map(Uint8Array::from),
        })
    }
}

/// Sizes and split keys of a span.
#[napi(catch_unwind, ts_return_type = "Promise<NativeWalk>")]
pub fn store_stats(
    store: f64,
    start_key: &[u8],
    end_key: &[u8],
    split_bytes: f64,
    limit_bytes: f64,
) -> Result<AsyncTask<Walk>> {
    let begin = || {
        Ok(Walk {
            store: open_store_at(store)?,
            start_key: start_key.to_vec(),
            end_key: end_key.to_vec(),
            split_bytes: whole(split_bytes, "split size")?,
            limit_bytes: whole(limit_bytes, "limit")?,
        })
    };
    begin().map(AsyncTask::new).map_err(thrown)
}
