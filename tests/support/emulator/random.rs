//! Unguessable text for trace and connection ids.

/// Random bytes in hexadecimal; the text is twice as long as `bytes`.
pub(super) fn hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).expect("the system has a source of randomness");
    buffer.iter().map(|byte| format!("{byte:02x}")).collect()
}
