//! libFuzzer's entry to [`acta_fuzz::targets::evidence`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    acta_fuzz::targets::evidence(data);
});
