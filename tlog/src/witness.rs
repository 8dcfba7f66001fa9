//! The witness protocol (C2SP tlog-witness): request and response bodies, and the rule by which a witness decides.
