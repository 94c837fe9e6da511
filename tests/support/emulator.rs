//! An emulator of the SMSBAT ChatHub HTTP API, for tests, benches and trying things out.
//!
//! It answers as the public documents and the defaults of the server framework say the upstream does, keeps its data in
//! memory, listens on loopback only, and counts what reaches it. It can be slow, stall, fail and lie on demand.
//!
//! ```ignore
//! let chathub = Emulator::start().await;
//! chathub.operators(24, ["Ann"]);
//! let gate = chathub.stall(Endpoint::ListOperators);
//! // … let something ask for a list …
//! gate.reached(1).await;
//! gate.release();
//! assert_eq!(chathub.count(Endpoint::ListOperators), 1);
//! ```
//!
//! What a newcomer would get wrong: the rate limit is *on* by default and shared by all credentials of a company, so a
//! test that sends more than 75 requests in a second meets real 429s; and a fault decides about requests that have been
//! authenticated, so a wrong token gets its 401 whatever is queued.
//!
//! The way of a request is in `exchange`, the data in `data`, what can be switched in `switches`, `fault` and `stall`.

#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary, bench and example that mounts this module uses another part of it"
)]

#[path = "emulator/accept.rs"]
mod accept;
#[path = "emulator/answer.rs"]
mod answer;
#[path = "emulator/body.rs"]
mod body;
#[path = "emulator/builder.rs"]
mod builder;
#[path = "emulator/calendar.rs"]
mod calendar;
#[path = "emulator/chat_data.rs"]
mod chat_data;
#[path = "emulator/chats.rs"]
mod chats;
#[path = "emulator/clock.rs"]
mod clock;
#[path = "emulator/companies.rs"]
mod companies;
#[path = "emulator/control.rs"]
mod control;
#[path = "emulator/controllers.rs"]
mod controllers;
#[path = "emulator/cors.rs"]
mod cors;
#[path = "emulator/credential.rs"]
mod credential;
#[path = "emulator/data.rs"]
mod data;
#[path = "emulator/document.rs"]
mod document;
#[path = "emulator/endpoint.rs"]
mod endpoint;
#[path = "emulator/exchange.rs"]
mod exchange;
#[path = "emulator/fault.rs"]
mod fault;
#[path = "emulator/handle.rs"]
mod handle;
#[path = "emulator/hub.rs"]
mod hub;
#[path = "emulator/intake.rs"]
mod intake;
#[path = "emulator/operators.rs"]
mod operators;
#[path = "emulator/organization.rs"]
mod organization;
#[path = "emulator/pages.rs"]
mod pages;
#[path = "emulator/path.rs"]
mod path;
#[path = "emulator/query.rs"]
mod query;
#[path = "emulator/random.rs"]
mod random;
#[path = "emulator/rate.rs"]
mod rate;
#[path = "emulator/records.rs"]
mod records;
#[path = "emulator/refusal.rs"]
mod refusal;
#[path = "emulator/seed.rs"]
mod seed;
#[path = "emulator/server.rs"]
mod server;
#[path = "emulator/shared.rs"]
mod shared;
#[path = "emulator/stall.rs"]
mod stall;
#[path = "emulator/switches.rs"]
mod switches;
#[path = "emulator/token.rs"]
mod token;
#[path = "emulator/transports.rs"]
mod transports;

#[cfg(test)]
#[path = "emulator/tests.rs"]
mod tests;

pub(crate) use builder::Builder;
pub(crate) use clock::Clock;
pub(crate) use data::AppliedWrite;
pub(crate) use endpoint::Endpoint;
pub(crate) use fault::{Chance, Fault, Target};
pub(crate) use handle::Emulator;
pub(crate) use intake::Limits;
pub(crate) use random::Random;
pub(crate) use rate::RateLimit;
pub(crate) use records::{Outcome, Received, Tally};
pub(crate) use stall::{Gate, Point};
pub(crate) use switches::{
    DeletedOperators, ErrorStyle, MissingId, Switches, TokenShape, UnknownOrganization, VerdictName,
};
