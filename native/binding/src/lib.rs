//! The boundary to Node: checks arguments, borrows JavaScript's memory for the time of one call, converts errors.
//!
//! Every export carries `catch_unwind`: a panic becomes an error, for an unwinding panic would end the process. Every
//! call but those of `walk`, `file_walk` and `files` is synchronous and works on memory that JavaScript owns. Must not hold logic of its own or keep a
//! borrow.

mod faults;
mod file_walk;
mod files;
mod kernels;
mod memory;
mod merge;
mod numbers;
mod packed;
mod scan;
mod sst;
mod store;
mod upkeep;
mod walk;

use napi_derive::napi;

/// Number of the contract of src/native/contract.ts that this build keeps; add one with every change of a call that exists.
const CONTRACT: u32 = 6;

/// The number that the JavaScript side compares with its own.
#[napi(catch_unwind)]
pub fn contract_version() -> u32 {
    CONTRACT
}
