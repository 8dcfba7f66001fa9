//! Cosignatures (C2SP tlog-cosignature): a witness's timestamped signature over a checkpoint or subtree.
