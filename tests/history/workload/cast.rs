//! Who asks for what: companies, their organizations and operators, and the credentials that reach them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::recorder::Credential;
use crate::support::emulator::{Emulator, Random};

/// The companies and their organizations.
const COMPANIES: [(&str, [u32; 5]); 2] = [("acme", [24, 6, 42, 31, 32]), ("globex", [7, 8, 51, 52, 53])];

/// How many credentials a company has: two tokens and its profile key.
const CREDENTIALS: usize = 3;

/// How many of the newest operators get most changes of status.
const RECENT: usize = 6;

/// All that clients know of the upstream.
#[derive(Debug)]
pub(crate) struct Cast {
    credentials: Vec<Held>,
    /// Of each company, the oldest first.
    operators: [Mutex<Vec<u32>>; COMPANIES.len()],
}

/// A credential.
#[derive(Debug)]
struct Held {
    name: String,
    /// The field with which it is sent.
    field: String,
    fingerprint: String,
}

impl Cast {
    /// Sets the upstream up.
    pub(super) fn new(chathub: &Emulator) -> Self {
        let operators = COMPANIES.map(|(company, organizations)| {
            let add = |id| chathub.operators_of(company, id, ["Ann", "Bea"]);
            Mutex::new(organizations.into_iter().flat_map(add).collect())
        });
        let credentials = COMPANIES.iter().flat_map(|(company, _)| credentials(chathub, company)).collect();
        Self { credentials, operators }
    }

    /// What to call the credentials.
    pub(super) fn names(&self) -> Arc<[String]> {
        self.credentials.iter().map(|held| held.name.clone()).collect()
    }

    /// The company that a client works for.
    pub(super) fn company_of(client: usize) -> usize {
        client % COMPANIES.len()
    }

    /// One of a company's credentials.
    pub(super) fn credential(company: usize, random: &mut Random) -> Credential {
        company * CREDENTIALS + random.below(CREDENTIALS as u64) as usize
    }

    /// The field with which a credential is sent.
    pub(super) fn field(&self, credential: Credential) -> &str {
        &self.credentials[credential].field
    }

    /// The credential with this fingerprint.
    pub(super) fn identify(&self, fingerprint: &str) -> Option<Credential> {
        self.credentials.iter().position(|held| held.fingerprint == fingerprint)
    }

    /// One of a company's organizations; the first ones more often, so that clients meet.
    pub(super) fn organization(company: usize, random: &mut Random) -> u32 {
        let (_, organizations) = COMPANIES[company];
        let position = random.below(organizations.len() as u64).min(random.below(organizations.len() as u64));
        organizations[position as usize]
    }

    /// An operator of a company, mostly; sometimes one that may not be there yet, or another company's.
    pub(super) fn operator(&self, company: usize, random: &mut Random) -> u32 {
        let whose = if random.happens(50) { 1 - company } else { company };
        let operators = self.operators[whose].lock().unwrap_or_else(PoisonError::into_inner);
        let newest = *operators.last().expect("there are operators from the start");
        if random.happens(100) {
            return newest + 1 + random.below(3) as u32;
        }
        let from = if random.happens(500) { operators.len().saturating_sub(RECENT) } else { 0 };
        operators[from + random.below((operators.len() - from) as u64) as usize]
    }

    /// Learns of new operators.
    pub(super) fn learn(&self, company: usize, operators: impl IntoIterator<Item = u32>) {
        self.operators[company].lock().unwrap_or_else(PoisonError::into_inner).extend(operators);
    }
}

fn credentials(chathub: &Emulator, company: &str) -> [Held; CREDENTIALS] {
    let token = |number: usize| {
        let token = chathub.company_token(company);
        let field = format!("authorization: Bearer {token}");
        Held { name: format!("{company} token {number}"), field, fingerprint: Emulator::fingerprint(&token) }
    };
    let key = chathub.profile_key(company);
    let field = format!("x-authorization-key: {key}");
    [token(1), token(2), Held { name: format!("{company} key"), field, fingerprint: Emulator::fingerprint(&key) }]
}
