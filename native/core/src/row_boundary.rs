//! Where a file may end.
