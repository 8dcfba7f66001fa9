//! libFuzzer's entry to [`acta_fuzz::targets::add_checkpoint`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    acta_fuzz::targets::add_checkpoint(data);
});
