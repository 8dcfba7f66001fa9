//! `acta-monitor`: the program of those who watch.
fn main() {}
