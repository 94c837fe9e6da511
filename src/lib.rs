//! A caching, rate-limiting HTTP gateway for one API: SMSBAT ChatHub.
//!
//! It stands beside services that poll operator lists. It answers lists from memory, forgets them the moment a write
//! goes through it, paces what goes upstream, and passes everything else through as it came.
//!
//! # A request's way
//!
//! A connection ([`server`]) hands each request to the stack ([`stack`]). At the *edge* a request is counted and logged,
//! explained, rescued, admitted and routed ([`edge`]). In the *core* it is a [`chathub::RoutedRequest`]: answered from
//! memory ([`cache`]), or joined to a running fetch ([`collapse`]), or sent forward when its turn comes ([`throttle`]);
//! a write hides what it makes stale ([`invalidation`]); and [`upstream`] talks to ChatHub.
//!
//! # The map
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`], [`reload`] | settings: defaults, file, environment, flags; and all of it again while it runs |
//! | [`gateway`] | builds the parts, binds, runs until drained |
//! | [`stack`] | the one file that knows the order of the layers |
//! | [`server`] | connections: strict framing, limits, draining |
//! | [`wire`] | messages, content, fields |
//! | [`chathub`] | facts of the API: routes, credentials, payloads, groups |
//! | [`edge`], [`cache`], [`collapse`], [`shed`], [`throttle`], [`invalidation`], [`upstream`] | the layers |
//! | [`store`] | stored responses and the fence between reads and writes |
//! | [`admin`], [`control`] | the operators' listener; the subcommands that ask it |
//! | [`telemetry`] | metrics, access log, log |
//! | [`error`], [`clock`] | every reason for an answer of our own; the one source of time |
//! | [`tally`], [`capacity`], [`buffer`] | what is under way; how much of it there may be; how many bytes of it are held |
//! | [`phase`], [`lifecycle`] | serving, leaving, draining, closed; who may ask for it |
//! | [`pem`], [`secret`], [`watched`] | certificates and keys from files; what is never told; files that change |
//!
//! # Glossary
//!
//! *Stored response*: a complete 200 kept in memory. *Fresh*: younger than its lifetime. *Current*: no write has
//! touched it since its fetch began; only what is fresh *and* current is answered. *Group*: the lists of one
//! organization for every credential. *Move*: what a write does to its groups when it begins and when it ends; moves
//! are counted. *Stamp*: the moves that a fetch knew of before it began. *Switch*: a write of an operator's status.
//! *Quarantine*: the time after a write in doubt in which its groups are neither stored nor answered from memory.
//! *Flight*: a fetch that equal requests share. *Cell*: one request's worth of quota (GCRA). *Lane*: one credential's
//! cells in one class, and the *line* of those who wait for them. *Crowd*: the lane of all who find none. *Promise*:
//! the time by which one who waits goes. *Stop*: the time in which nothing of a lane goes, since the upstream refused
//! it; a *probe* ends it. *Rested*: of a connection that is new or to which the throttle has said nothing for a second.
//! *Credential*: kind and keyed digest, never the value.

pub mod admin;
pub mod buffer;
pub mod cache;
pub mod capacity;
pub mod chathub;
pub mod clock;
pub mod collapse;
pub mod config;
pub mod control;
pub mod descriptors;
pub mod edge;
pub mod error;
pub mod gateway;
pub mod invalidation;
pub mod lifecycle;
pub mod pem;
pub mod phase;
pub mod reload;
pub mod secret;
pub mod server;
pub mod shed;
pub mod stack;
pub mod store;
pub mod tally;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod throttle;
pub mod upstream;
pub mod watched;
pub mod wire;

pub use config::Config;
pub use gateway::Gateway;
