//! Keys: names, ids, verifier keys (C2SP signed-note section Verifier keys) and signing keys.
