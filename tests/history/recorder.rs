//! What is noted of a round: each operation as its client saw it, and each write as the upstream applied it.
//!
//! All moments are read from the emulator's clock, by clients and emulator alike, so that they can be compared. What a
//! newcomer would get wrong: an operation takes effect at *some* moment between its begin and its end, so of two that
//! overlap nothing can be said. Only a begin that is *later* than an end tells an order.

use std::sync::Arc;
use std::time::Duration;

use crate::support::emulator::{AppliedWrite, Clock};

/// An index into [`History::credentials`].
pub(crate) type Credential = usize;

/// All that is known of one round.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The operations, in no order.
    pub(crate) operations: Vec<Operation>,
    /// The writes that changed something, in the order in which they did.
    pub(crate) applied: Vec<Applied>,
    /// What to call the credentials; never their values.
    pub(crate) credentials: Arc<[String]>,
    /// When the round began.
    pub(crate) began: Duration,
    /// The settings of the gateway that bear on what it owes.
    pub(crate) terms: Terms,
}

/// The settings of the gateway that bear on what it owes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// `upstream.head_timeout`
    pub(crate) head_timeout: Duration,
    /// `cache.quarantine`
    pub(crate) quarantine: Duration,
}

/// One operation of one client.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) client: usize,
    pub(crate) credential: Credential,
    pub(crate) what: What,
    /// Before its first byte was sent.
    pub(crate) begin: Duration,
    /// After the last byte of its answer was read, or when the client gave up.
    pub(crate) end: Duration,
    /// The answer, if it came whole.
    pub(crate) seen: Option<Seen>,
}

/// What a client does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// Lists the operators of an organization; as a refresh it accepts no stored answer.
    List { organization: u32, is_refresh: bool },
    /// Lists the organizations.
    Organizations,
    /// Writes. The tag is its own within the round.
    Write { call: Call, tag: u64 },
    /// Empties the store of one organization, or of all.
    Purge { organization: Option<u32> },
}

/// Which write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    /// Sets an operator's status.
    Status { operator: u32 },
    /// Adds an operator to each organization.
    Synchronize { organizations: Vec<u32> },
    /// The same in a spelling of which the gateway may not be sure.
    Doubtful { organization: u32 },
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// The order of the last write that a list shows.
    pub(crate) version: Option<u64>,
    /// For whom a list was fetched; `None` if nobody knows.
    pub(crate) made_for: Option<Credential>,
    /// When a list was made.
    pub(crate) made_at: Option<Duration>,
    /// `Cache-Status` without the gateway's name.
    pub(crate) cache: Box<str>,
}

/// A write as the upstream applied it.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) tag: u64,
    /// The version that it made of each of its organizations.
    pub(crate) version: u64,
    pub(crate) organizations: Vec<u32>,
    /// When: not later than anybody could see it.
    pub(crate) at: Duration,
}

/// Notes the operations of one client.
#[derive(Debug)]
pub(crate) struct Recorder {
    clock: Clock,
    operations: Vec<Operation>,
}

impl Recorder {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, operations: Vec::new() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    pub(crate) fn note(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}

impl History {
    /// When a moment was, counted in milliseconds from the round's begin.
    pub(crate) fn milliseconds(&self, moment: Duration) -> f64 {
        moment.saturating_sub(self.began).as_secs_f64() * 1e3
    }

    /// What became of a write in the upstream, if it came to anything.
    pub(crate) fn applied(&self, tag: u64) -> Option<&Applied> {
        self.applied.iter().find(|applied| applied.tag == tag)
    }
}

impl Operation {
    /// The answer, if it is a complete 200.
    pub(crate) fn success(&self) -> Option<&Seen> {
        self.seen.as_ref().filter(|seen| seen.status == 200)
    }

    /// The tag, if it is a write.
    pub(crate) fn tag(&self) -> Option<u64> {
        match self.what {
            What::Write { tag, .. } => Some(tag),
            _ => None,
        }
    }

    /// The organization, if it is a list of operators.
    pub(crate) fn listed(&self) -> Option<u32> {
        match self.what {
            What::List { organization, .. } => Some(organization),
            _ => None,
        }
    }
}

impl Seen {
    /// Whether it came from memory.
    pub(crate) fn is_hit(&self) -> bool {
        self.cache.starts_with("hit")
    }
}

impl Applied {
    /// The write that an emulator has logged; `None` for one of no client.
    pub(crate) fn of(write: &AppliedWrite) -> Option<Self> {
        let tag = write.tag.as_ref()?.parse().ok()?;
        Some(Self { tag, version: write.order, organizations: write.organizations.clone(), at: write.at })
    }
}
