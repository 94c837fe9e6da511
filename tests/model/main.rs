//! The fence in every order in which things can happen (DESIGN 4).

#![allow(clippy::duplicate_mod, reason = "the same sources are built of two sets of parts")]
#![allow(clippy::disallowed_methods, reason = "how long an exploration takes is told in real time")]

mod explorer;
mod fence;
mod gateway;
mod histories;
mod threads;
mod upstream;
mod witness;

use chathub_gateway::chathub;

/// Where the sources of the fence look for the key.
mod store {
    pub(crate) use chathub_gateway::store::key;
}
