//! Tests of the emulator against the contract, table by table.

#[path = "tests/access.rs"]
mod access;
#[path = "tests/binding.rs"]
mod binding;
#[path = "tests/bodies.rs"]
mod bodies;
#[path = "tests/chats.rs"]
mod chats;
#[path = "tests/control.rs"]
mod control;
#[path = "tests/data.rs"]
mod data;
#[path = "tests/faults.rs"]
mod faults;
#[path = "tests/hub.rs"]
mod hub;
#[path = "tests/limits.rs"]
mod limits;
#[path = "tests/matching.rs"]
mod matching;
#[path = "tests/negotiation.rs"]
mod negotiation;
#[path = "tests/rates.rs"]
mod rates;
#[path = "tests/records.rs"]
mod records;
#[path = "tests/tokens.rs"]
mod tokens;
#[path = "tests/wire.rs"]
mod wire;
