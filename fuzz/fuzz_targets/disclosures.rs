//! libFuzzer's entry to [`acta_fuzz::targets::disclosures`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    acta_fuzz::targets::disclosures(data);
});
