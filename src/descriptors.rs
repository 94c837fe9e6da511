//! How many file descriptors the process may have: each connection takes one.
//!
//! A system gives two limits. The soft one holds, and is often 1024, for the sake of old programs that count descriptors in
//! a fixed set; the hard one is how far any program may raise it by itself. This one has no such set, and a gateway at 1024
//! would answer neither clients nor probes while a crowd holds its connections.

/// Raises the soft limit to the hard one, and returns what holds now; `None` where there is no such limit to be had.
#[must_use]
pub fn raise() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        let is_raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        Some(if is_raised { hard } else { soft })
    }
    #[cfg(not(target_os = "linux"))]
    None
}
