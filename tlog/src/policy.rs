//! Trust policies (C2SP tlog-policy): which logs, which witnesses, and how many of them.
