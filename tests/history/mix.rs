//! What goes wrong during a round, by name.
//!
//! Each mix starves the gateway of another certainty. Nearly all of them make lists slow too: an old answer that is on
//! its way while a write ends is what a cache must not keep or share, and without latency hardly ever is there one.

use std::time::Duration;

use crate::recorder::Terms;
use crate::support::emulator::{Chance, Endpoint, Fault, Random};

/// One mix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) name: &'static str,
    /// What befalls requests in the emulator: endpoint, how many of a thousand, and what.
    faults: &'static [(Endpoint, u32, Fault)],
    /// Settings of the gateway beside those that follow from the terms.
    settings: &'static str,
    pub(crate) terms: Terms,
    /// How many of a thousand operations are writes, in the middle: some rounds have half as many, some twice.
    pub(crate) writes: u32,
    /// How many of a thousand operations are abandoned.
    pub(crate) leavers: u32,
    /// How many of a thousand operations are purges.
    pub(crate) purges: u32,
    /// How many rounds run side by side: where much is waited for, several.
    pub(crate) abreast: usize,
    /// Without which the mix would prove nothing.
    pub(crate) needs: Needs,
}

/// What must have happened at least once in a run, beside hits, stored and collapsed answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    /// Writes that were answered by a 5xx.
    pub(crate) ambiguous: bool,
    /// Writes that were applied after the gateway may have given up.
    pub(crate) late: bool,
    /// Requests without an answer.
    pub(crate) left: bool,
    /// Purges.
    pub(crate) purges: bool,
}

const LIST: Endpoint = Endpoint::ListOperators;
const STATUS: Endpoint = Endpoint::SetStatus;
const SYNCHRONIZE: Endpoint = Endpoint::Synchronize;

const fn before(milliseconds: u64) -> Fault {
    Fault::LatencyBefore(Duration::from_millis(milliseconds))
}

const fn after(milliseconds: u64) -> Fault {
    Fault::LatencyAfter(Duration::from_millis(milliseconds))
}

const fn terms(head_timeout: u64, quarantine: u64) -> Terms {
    Terms { head_timeout: Duration::from_millis(head_timeout), quarantine: Duration::from_millis(quarantine) }
}

const QUIET: Mix = Mix {
    name: "quiet",
    faults: &[],
    settings: "",
    terms: terms(10_000, 100),
    writes: 40,
    leavers: 0,
    purges: 0,
    abreast: 1,
    needs: Needs { ambiguous: false, late: false, left: false, purges: false },
};

const AMBIGUOUS: Needs = Needs { ambiguous: true, ..QUIET.needs };

/// All mixes.
pub(crate) static MIXES: &[Mix] = &[
    QUIET,
    Mix {
        name: "latency",
        faults: &[
            (LIST, 200, before(20)),
            (LIST, 200, after(50)),
            (STATUS, 400, before(50)),
            (STATUS, 400, after(50)),
            (SYNCHRONIZE, 400, before(50)),
            (SYNCHRONIZE, 400, after(50)),
        ],
        abreast: 8,
        ..QUIET
    },
    Mix {
        name: "hang",
        faults: &[
            (LIST, 200, after(20)),
            (STATUS, 150, before(200)),
            (STATUS, 100, after(120)),
            (SYNCHRONIZE, 150, before(200)),
            (SYNCHRONIZE, 100, after(120)),
        ],
        terms: terms(60, 80),
        writes: 15,
        abreast: 4,
        needs: Needs { late: true, ..AMBIGUOUS },
        ..QUIET
    },
    Mix {
        name: "reset",
        faults: &[
            (LIST, 200, after(20)),
            (LIST, 10, Fault::DropBefore),
            (LIST, 10, Fault::DropAfter),
            (STATUS, 300, before(20)),
            (STATUS, 100, Fault::DropBefore),
            (STATUS, 200, Fault::DropAfter),
            (SYNCHRONIZE, 300, before(20)),
            (SYNCHRONIZE, 100, Fault::DropBefore),
            (SYNCHRONIZE, 200, Fault::DropAfter),
        ],
        terms: terms(10_000, 20),
        writes: 25,
        abreast: 2,
        needs: AMBIGUOUS,
        ..QUIET
    },
    Mix {
        name: "error",
        faults: &[
            (LIST, 200, after(20)),
            (LIST, 10, Fault::StatusAfter(500)),
            (STATUS, 300, before(20)),
            (STATUS, 200, Fault::StatusAfter(500)),
            (STATUS, 100, Fault::StatusBefore(503)),
            (SYNCHRONIZE, 300, before(20)),
            (SYNCHRONIZE, 150, Fault::StatusAfter(500)),
            (SYNCHRONIZE, 100, Fault::PartialSynchronize(1)),
            (SYNCHRONIZE, 100, Fault::StatusBefore(503)),
        ],
        terms: terms(10_000, 20),
        writes: 25,
        abreast: 2,
        needs: AMBIGUOUS,
        ..QUIET
    },
    Mix {
        name: "cut",
        faults: &[
            (LIST, 200, after(20)),
            (LIST, 50, Fault::CutBody),
            (LIST, 20, Fault::HangInBody),
            (STATUS, 300, before(20)),
            (SYNCHRONIZE, 300, before(20)),
            (SYNCHRONIZE, 50, Fault::CutBody),
        ],
        settings: "upstream.idle_timeout = '30ms'",
        abreast: 2,
        ..QUIET
    },
    Mix {
        name: "short-lives",
        faults: &[(LIST, 100, after(5)), (STATUS, 300, before(10)), (SYNCHRONIZE, 300, before(10))],
        settings: "cache.operators_ttl = '8ms'\ncache.organizations_ttl = '8ms'",
        ..QUIET
    },
    Mix {
        name: "pressure",
        faults: &[(LIST, 100, after(10)), (STATUS, 300, before(10)), (SYNCHRONIZE, 300, before(10))],
        settings: "cache.capacity = '16KiB'\ncache.max_body = '16KiB'",
        ..QUIET
    },
    Mix {
        name: "purges",
        faults: &[(LIST, 200, after(20)), (STATUS, 300, before(20)), (SYNCHRONIZE, 300, before(20))],
        purges: 30,
        abreast: 2,
        needs: Needs { purges: true, ..QUIET.needs },
        ..QUIET
    },
    Mix {
        name: "leavers",
        faults: &[
            (LIST, 300, after(20)),
            (STATUS, 500, before(20)),
            (STATUS, 200, after(20)),
            (SYNCHRONIZE, 500, before(20)),
            (SYNCHRONIZE, 200, after(20)),
        ],
        leavers: 150,
        abreast: 2,
        needs: Needs { left: true, ..QUIET.needs },
        ..QUIET
    },
    Mix {
        name: "paced",
        faults: &[(LIST, 200, after(10)), (STATUS, 300, before(10)), (SYNCHRONIZE, 300, before(10))],
        settings: "throttle.mode = 'enforce'\nthrottle.operator = { rate = '300/s', burst = 5 }",
        leavers: 30,
        ..QUIET
    },
    Mix {
        name: "everything",
        faults: &[
            (LIST, 200, after(20)),
            (LIST, 100, before(20)),
            (LIST, 10, Fault::DropAfter),
            (LIST, 10, Fault::StatusBefore(503)),
            (LIST, 20, Fault::CutBody),
            (LIST, 10, Fault::HangInBody),
            (STATUS, 100, before(200)),
            (STATUS, 200, before(20)),
            (STATUS, 100, after(120)),
            (STATUS, 50, Fault::DropAfter),
            (STATUS, 50, Fault::StatusAfter(500)),
            (STATUS, 50, Fault::StatusBefore(503)),
            (SYNCHRONIZE, 100, before(200)),
            (SYNCHRONIZE, 200, before(20)),
            (SYNCHRONIZE, 100, after(120)),
            (SYNCHRONIZE, 50, Fault::DropBefore),
            (SYNCHRONIZE, 50, Fault::StatusAfter(500)),
            (SYNCHRONIZE, 50, Fault::PartialSynchronize(1)),
        ],
        settings: "upstream.idle_timeout = '30ms'\ncache.capacity = '64KiB'\ncache.max_body = '64KiB'\n\
                   cache.operators_ttl = '300ms'\ncache.organizations_ttl = '300ms'",
        terms: terms(60, 80),
        writes: 15,
        leavers: 40,
        purges: 4,
        abreast: 4,
        needs: Needs { ambiguous: true, late: true, left: true, purges: true },
    },
];

impl Needs {
    /// What either needs.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            ambiguous: self.ambiguous || other.ambiguous,
            late: self.late || other.late,
            left: self.left || other.left,
            purges: self.purges || other.purges,
        }
    }
}

impl Mix {
    /// The mix of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        MIXES.iter().find(|mix| mix.name == name)
    }

    /// The mix as one round has it: with half as many writes, as many, or twice as many.
    pub(crate) fn varied(&self, random: &mut Random) -> Self {
        Self { writes: (self.writes << random.below(3)) / 2, ..*self }
    }

    /// What is left to chance.
    pub(crate) fn chances(&self) -> Vec<Chance> {
        let chance = |(endpoint, per_thousand, fault): &(Endpoint, u32, Fault)| Chance {
            target: (*endpoint).into(),
            per_thousand: *per_thousand,
            fault: fault.clone(),
        };
        self.faults.iter().map(chance).collect()
    }

    /// The gateway's settings.
    pub(crate) fn settings(&self) -> String {
        let Terms { head_timeout, quarantine } = self.terms;
        let throttle = if self.settings.contains("throttle.mode") { "" } else { "throttle.mode = 'off'" };
        format!(
            "log.access = false\nupstream.head_timeout = '{}ms'\ncache.quarantine = '{}ms'\n{throttle}\n{}",
            head_timeout.as_millis(),
            quarantine.as_millis(),
            self.settings
        )
    }
}
