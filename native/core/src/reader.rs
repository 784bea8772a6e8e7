//! Whole tables: metaindex, index and handles.
