//! The boundary to Node: checks arguments, borrows JavaScript's memory for the time of one call, converts errors.
//!
//! Every export carries `catch_unwind`: a panic becomes an error, for an unwinding panic would end the process. Every
//! call is synchronous and works on memory that JavaScript owns. Must not hold logic of its own or keep a borrow.

mod faults;
mod kernels;
mod memory;
mod merge;
mod numbers;
mod packed;
mod scan;
mod sst;
mod store;
