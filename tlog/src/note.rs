//! Signed notes (C2SP signed-note): text, a blank line, and signature lines.
