//! What must hold of whatever bytes come, written once: the fuzzer looks for bytes of which it does not hold, and
//! `tests/corpus.rs` looks at those that are kept.
//!
//! Each property compares a decision of the gateway with a second reading of the same bytes that shares no code with it,
//! is slow, and is as simple as it can be; or with the decision about bytes that mean the same. What a newcomer would
//! get wrong: that nothing panics is the least of it. A property that only calls the function finds nothing in a
//! program without `unsafe`.
//!
//! To add a target: a function here and a row in [`TARGETS`], a `fuzz_targets/NAME.rs` with its `[[bin]]`, a folder
//! `corpus/NAME`, and a test in `tests/corpus.rs`, which tells what of these is missing.

mod cache_control;
mod classifier;
mod connection;
mod credential;
mod fields;
mod framing;
mod json;
mod list;
mod quotas;
mod settings;
mod spelling;
mod transcript;
mod writes;

/// One thing that is fuzzed.
pub(crate) struct Target {
    /// The name of its corpus and of its fuzzer.
    pub(crate) name: &'static str,
    /// Panics if a property does not hold of these bytes.
    pub(crate) check: fn(&[u8]),
}

/// All of them.
pub(crate) static TARGETS: [Target; 9] = [
    Target { name: "cache_control", check: cache_control::check },
    Target { name: "classifier", check: classifier::check },
    Target { name: "credential", check: credential::check },
    Target { name: "framing", check: framing::check },
    Target { name: "list", check: list::check },
    Target { name: "quotas", check: quotas::check },
    Target { name: "settings", check: settings::check },
    Target { name: "status", check: writes::check_status },
    Target { name: "synchronize", check: writes::check_synchronize },
];

/// Returns the target of that name.
pub(crate) fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target {name}"))
}
