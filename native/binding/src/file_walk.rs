//! Listings of local files as a class: each page is one task on a thread of Node's own pool.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use spanvault_core::fault::Result as Checked;
use spanvault_store::{FileFault, Walk, WalkPage, WalkRequest};

use crate::faults::{Result, thrown};
use crate::files::{NativeFileFault, caught};
use crate::numbers::size;

/// What to list; see contract.ts.
#[napi(object)]
pub struct NativeFileWalkOptions {
    /// No link leads out of this directory.
    pub root: String,
    /// Names are relative to this directory.
    pub base: String,
    /// Only names that begin with it.
    pub prefix: String,
    /// Names are cut behind it.
    pub delimiter: Option<String>,
    /// Only names behind this one.
    pub after: Option<String>,
    /// Components that begin with it are left out.
    pub hidden: String,
}

/// Some names, or why there are none.
#[napi(object, object_from_js = false)]
pub struct NativeFileWalkPage {
    /// Why there are none.
    pub fault: Option<NativeFileFault>,
    /// In byte order.
    pub names: Option<Vec<String>>,
    /// Size of each file; -1 for a cut name.
    pub sizes: Option<Vec<f64>>,
    /// When each file was last written, in milliseconds since 1970; 0 for a cut name.
    pub modified: Option<Vec<f64>>,
    /// Nothing follows.
    pub done: Option<bool>,
}

/// A listing in progress.
#[napi]
pub struct NativeFileWalk {
    walk: Arc<Mutex<Walk>>,
}

/// A page that waits for its thread.
pub struct PageRead {
    walk: Arc<Mutex<Walk>>,
    most: usize,
}

impl Task for PageRead {
    type Output = std::result::Result<WalkPage, Option<FileFault>>;
    type JsValue = NativeFileWalkPage;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        // A walk that panicked is still sound: at worst it lacks names, and its reader is told of the panic.
        Ok(caught(|| self.walk.lock().unwrap_or_else(PoisonError::into_inner).next(self.most)))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<NativeFileWalkPage> {
        Ok(match output {
            Ok(WalkPage { found, done }) => NativeFileWalkPage {
                fault: None,
                sizes: Some(found.iter().map(|one| one.file.map_or(-1.0, |(bytes, _)| bytes as f64)).collect()),
                modified: Some(found.iter().map(|one| one.file.map_or(0.0, |(_, modified)| modified as f64)).collect()),
                names: Some(found.into_iter().map(|one| one.name).collect()),
                done: Some(done),
            },
            Err(fault) => {
                let fault = Some(NativeFileFault::of(fault));
                NativeFileWalkPage { fault, names: None, sizes: None, modified: None, done: None }
            }
        })
    }
}

/// A listing before its first name.
#[napi(catch_unwind)]
pub fn file_walk(options: NativeFileWalkOptions) -> NativeFileWalk {
    let NativeFileWalkOptions { root, base, prefix, delimiter, after, hidden } = options;
    let request = WalkRequest { root: root.into(), base: base.into(), prefix, delimiter, after, hidden };
    NativeFileWalk { walk: Arc::new(Mutex::new(Walk::new(request))) }
}

#[napi]
impl NativeFileWalk {
    /// The next names, about `most` at most.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFileWalkPage>")]
    pub fn next(&self, most: f64) -> Result<AsyncTask<PageRead>> {
        let begin =
            || -> Checked<PageRead> { Ok(PageRead { walk: Arc::clone(&self.walk), most: size(most, "names")?.max(1) }) };
        begin().map(AsyncTask::new).map_err(thrown)
    }
}
