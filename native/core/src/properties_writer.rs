//! The properties block of the tables that are written.
