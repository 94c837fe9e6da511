//! What the access log tells of waiting: how long each request waited for its turn, and how long it was told it would.

use serde_json::Value;

use crate::figures::Sorted;

/// Both in milliseconds, of requests that went upstream.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// How long requests waited.
    pub(crate) waited: Sorted,
    /// By how much that was longer than they were told; negative if it was shorter. Empty if nobody was told.
    pub(crate) over: Sorted,
}

impl Waits {
    /// Reads lines of the access log; the first may be a part of one.
    pub(crate) fn read(log: &str) -> Self {
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told: Vec<_> = lines.filter_map(|line| Some((millis(&line, "throttle_wait")?, line))).collect();
        let over = told.iter().filter_map(|(wait, line)| Some(wait - millis(line, "throttle_predicted")?));
        Self { over: over.collect(), waited: told.iter().map(|(wait, _)| *wait).collect() }
    }
}

fn millis(line: &Value, name: &str) -> Option<f64> {
    line[name].as_f64().map(|seconds| seconds * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_compared_with_what_the_same_request_was_told() {
        let cut = r#"405,"throttle_wait":9.0}"#;
        let told = r#"{"throttle_wait":0.250000,"throttle_predicted":0.240000}"#;
        let log = format!("{cut}\n{told}\n{}\n{}\n", r#"{"throttle_wait":0.5}"#, r#"{"status":200}"#);

        let waits = Waits::read(&log);

        assert_eq!((waits.waited.len(), waits.waited.greatest()), (2, 500.0));
        assert_eq!((waits.over.len(), waits.over.greatest().round()), (1, 10.0));
    }
}
