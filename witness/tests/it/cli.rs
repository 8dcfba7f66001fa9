//! `acta-witness` on the command line: what it prints and how it ends, as data files in `tests/cli/`. After a change that is meant,
//! `TRYCMD=overwrite cargo test -p witness --test it cli` writes them anew.

#[test]
fn what_is_printed_is_as_written_down() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd");
}
