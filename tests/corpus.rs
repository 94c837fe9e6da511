//! What the fuzzers check, checked with every `cargo test`: of each input that is kept, and of some that are like them.
//!
//! The properties stand in `fuzz/properties`, the inputs in `fuzz/corpus`, a folder for each target; `fuzz/run` looks for
//! more of them. An input that once failed is kept there under a name that says what it is.
//!
//! The others are made anew in each run, out of those that are kept; `CORPUS_SEED` makes the same ones again, and
//! `CORPUS_INPUT=TARGET:FILE` checks one file in place of all of them. What a newcomer would get wrong: an input that
//! fails is bytes, of which a message shows little. It is written into a file, and the message names it.

#[path = "fuzz/properties/mod.rs"]
mod properties;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use properties::{TARGETS, Target, target};

/// Inputs that are made for each target. All targets together take no more than some seconds in a debug build.
const MADE: usize = 5000;

/// An input that is made is no longer than this.
const LONGEST: usize = 2048;

#[test]
fn cache_control_is_read_as_its_grammar_has_it() {
    explore("cache_control");
}

#[test]
fn no_alias_of_a_list_is_kept_and_no_write_is_hidden() {
    explore("classifier");
}

#[test]
fn two_senders_are_never_one() {
    explore("credential");
}

#[test]
fn requests_end_where_their_bytes_say() {
    explore("framing");
}

#[test]
fn a_list_holds_the_operators_that_are_found_in_it() {
    explore("list");
}

#[test]
fn a_message_about_quotas_shows_no_credential() {
    explore("quotas");
}

#[test]
fn settings_are_loaded_or_told_what_is_wrong() {
    explore("settings");
}

#[test]
fn a_status_write_says_whom_it_switches_or_leaves_a_doubt() {
    explore("status");
}

#[test]
fn a_synchronize_says_what_it_changes_or_leaves_a_doubt() {
    explore("synchronize");
}

#[test]
fn every_target_has_a_corpus_a_fuzzer_and_a_test() {
    let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(stems(&fuzz().join("corpus")), names, "the folders of corpus");
    assert_eq!(stems(&fuzz().join("fuzz_targets")), names, "the files of fuzz_targets");
    let (manifest, this) = (include_str!("fuzz/Cargo.toml"), include_str!("corpus.rs"));
    for name in names {
        assert!(manifest.contains(&format!("\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n")), "{name}");
        assert!(this.contains(&format!("explore(\"{name}\");")), "{name} has no test in here");
    }
}

/// Checks what is kept of a target, and what is made of it.
fn explore(name: &str) {
    let target = target(name);
    if let Ok(input) = std::env::var("CORPUS_INPUT") {
        let (of, path) = input.split_once(':').expect("CORPUS_INPUT is a target, a colon and a file");
        if of == name {
            (target.check)(&read(Path::new(path)));
        }
        return;
    }
    let corpus = corpus(target);
    let failed: Vec<_> = corpus.iter().filter(|(_, input)| fails(target, input)).map(|(path, _)| path).collect();
    assert!(failed.is_empty(), "these fail, each for the reason above: {failed:#?}");
    let seed = seed();
    println!("{name}: {} inputs, and {MADE} made of them with CORPUS_SEED={seed}", corpus.len());
    let inputs: Vec<_> = corpus.into_iter().map(|(_, input)| input).collect();
    let mut random = Random(seed);
    for _ in 0..MADE {
        let input = make(&inputs, &mut random);
        if fails(target, &input) {
            let kept = keep(name, &input);
            panic!(
                "an input that was made with CORPUS_SEED={seed} fails, for the reason above: {}\n\
                 to see it again: CORPUS_INPUT={name}:{} cargo test --test corpus",
                input.escape_ascii(),
                kept.display()
            );
        }
    }
}

fn fails(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.check)(input))).is_err()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// Returns the inputs that are kept, in the order of their names.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target.name);
    let inputs: Vec<_> = entries(&folder).into_iter().map(|path| (path.clone(), read(&path))).collect();
    assert!(!inputs.is_empty(), "{} has no inputs", folder.display());
    inputs
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("list {}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed to its end").path()).collect();
    paths.sort();
    paths
}

fn stems(folder: &Path) -> BTreeSet<String> {
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    entries(folder).into_iter().filter_map(stem).collect()
}

/// Writes an input into a file, and returns its path.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("corpus-{name}"));
    std::fs::write(&path, input).expect("the directory for tests can be written");
    path
}

// === making inputs ===

fn seed() -> u64 {
    match std::env::var("CORPUS_SEED") {
        Ok(text) => text.parse().expect("CORPUS_SEED is a number"),
        Err(_) => getrandom::u64().expect("the system has random numbers"),
    }
}

/// Splitmix64: every seed is a good one.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// Returns a part of `bytes`, more often a short one.
    fn part<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.below(bytes.len());
        let most = if self.below(2) == 0 { 8 } else { bytes.len() };
        let length = 1 + self.below(most);
        &bytes[start..bytes.len().min(start + length)]
    }
}

/// Changes one of the inputs in a few places.
fn make(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = inputs[random.below(inputs.len())].clone();
    for _ in 0..=random.below(4) {
        change(&mut input, inputs, random);
    }
    input.truncate(LONGEST);
    input
}

/// Changes one place: what stands there goes, comes twice, or gives way to what stands in another input.
fn change(input: &mut Vec<u8>, inputs: &[Vec<u8>], random: &mut Random) {
    let start = random.below(input.len() + 1);
    let end = start + random.part(&input[start..]).len();
    match random.below(6) {
        0 => drop(input.drain(start..end)),
        1 => {
            let part = input[start..end].to_vec();
            input.splice(start..start, part);
        }
        2 if start < end => input[start] ^= 1 << random.below(8),
        3 => input.insert(start, random.number() as u8),
        4 => {
            const SIGNS: &[u8] = b"\0\t\n\r \"#%&'*+,-./0129:;<=>?@[\\]{}\x7f\xc4\xff";
            input.insert(start, SIGNS[random.below(SIGNS.len())]);
        }
        _ => {
            let other = &inputs[random.below(inputs.len())];
            let part = random.part(other).to_vec();
            let end = if random.below(2) == 0 { start } else { end };
            input.splice(start..end, part);
        }
    }
}
