//! The machine of the fence, built from the sources that the gateway is built from, but of parts with an order: then a
//! state can be told from another by its text, and a trace is the same in every run.

#[path = "../../src/store/fence/machine.rs"]
#[allow(dead_code, unreachable_pub, reason = "the model needs less of it than the gateway")]
mod machine;
#[path = "../../src/store/fence/operators.rs"]
mod operators;

/// What the machine is built of here.
mod parts {
    pub(super) use std::collections::BTreeMap as Table;
    pub(super) type Index<V> = Table<crate::chathub::id::OperatorId, V>;

    /// So few that a model of two writes reaches the bound.
    pub(super) const REMEMBERED: usize = 1;

    /// More than a model reaches: that the one list is as good as the other needs no model.
    pub(super) const MOST_CLAIMED: usize = 100;
    pub(super) const MOST_INDEXED: usize = 100;
    pub(super) const MOST_ORGANIZATIONS: usize = 100;
}

pub(crate) use machine::{Claim, Machine, Refusal, Stamp};
