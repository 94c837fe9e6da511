//! Clients that read and write at random, all at once, before a gateway and an emulator of their own.
//!
//! What each client does follows from the round's seed, and so do the lots that the emulator draws; *when* it happens
//! does not, so a round that is repeated is another history. A client that leaves closes its connection, as in life.

mod cast;
mod client;

use std::sync::Arc;

use cast::Cast;
use client::Client;
use tokio::task::JoinSet;

use crate::mix::Mix;
use crate::recorder::{Applied, History, Operation};
use crate::support::emulator::{Emulator, Random, RateLimit, Switches};
use crate::support::gateway::Gateway;

/// How many clients there are.
const CLIENTS: usize = 14;

/// Plays one round and returns what was recorded.
pub(crate) async fn play(mix: &Mix, seed: u64, operations: usize) -> History {
    let chathub = start_chathub().await;
    let gateway = Gateway::before(&chathub).set(&mix.settings()).start().await;
    let cast = Arc::new(Cast::new(&chathub));
    let began = chathub.clock().now();
    let mut random = Random::seeded(seed);
    chathub.leave_to_chance(random.number(), mix.chances());
    let mix = &mix.varied(&mut random);
    let clients = (0..CLIENTS).map(|number| Client::new(number, seed, mix, &cast, &gateway, chathub.clock()));
    let operations = all(clients.map(|client| client.run(operations.div_ceil(CLIENTS)))).await;
    let applied = chathub.applied().iter().filter_map(Applied::of).collect();
    History { operations, applied, credentials: cast.names(), began, terms: mix.terms }
}

async fn start_chathub() -> Emulator {
    let switches = Switches { rate_limit: RateLimit::Off, version_field: true, ..Switches::default() };
    Emulator::builder().switches(switches).kept_requests(0).start().await
}

async fn all(clients: impl Iterator<Item = impl Future<Output = Vec<Operation>> + Send + 'static>) -> Vec<Operation> {
    let clients: JoinSet<_> = clients.collect();
    clients.join_all().await.into_iter().flatten().collect()
}
