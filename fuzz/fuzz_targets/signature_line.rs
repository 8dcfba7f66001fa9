//! libFuzzer's entry to [`acta_fuzz::targets::signature_line`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    acta_fuzz::targets::signature_line(data);
});
