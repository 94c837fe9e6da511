//! What a model must have seen to happen, lest it prove everything of nothing.

use crate::fence::Refusal;

/// Something that happened at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Witness {
    /// A stored response was used.
    Hit,
    /// A stored response was found, but not used.
    Hidden(Refusal),
    /// Between a lookup and its verdict the response left the store.
    LeftBetweenLookupAndVerdict,
    /// A read joined a flight and got what that brought.
    Shared,
    /// A read joined a flight, and had to fetch again.
    Lost,
    /// A read might not join the flight of its question.
    MayNotShare,
    /// An answer was registered.
    Stored,
    /// An answer was not registered.
    Refused(Refusal),
    /// An answer was registered, but a later fetch was stored already.
    LaterFetchIsStored,
    /// A status write moved the lists of some organizations only.
    PreciseSwitch,
    /// A status write moved every operator list.
    UnknownOperator,
    /// The upstream applied a write that was in doubt.
    AppliedInDoubt,
    /// The upstream never applied a write that was in doubt.
    NeverApplied,
}
