//! libFuzzer's entry to [`acta_fuzz::targets::witness_answer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    acta_fuzz::targets::witness_answer(data);
});
