//! Lets the fuzzer check `list`: what must hold, and of what inputs, stands in `properties`.

#![no_main]

#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| (properties::target("list").check)(input));
