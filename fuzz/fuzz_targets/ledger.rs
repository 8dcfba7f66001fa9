//! libFuzzer's entry to [`acta_fuzz::targets::ledger`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    acta_fuzz::targets::ledger(data);
});
