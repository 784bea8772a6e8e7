//! Block codecs.
