//! Proof files (C2SP tlog-proof): an entry's index, inclusion proof and checkpoint in one file.
