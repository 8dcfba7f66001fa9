//! Tiles (C2SP tlog-tiles): a tree as static resources.
