//! The k-way merge over many tables.
