//! A cursor over the entries of one table.
