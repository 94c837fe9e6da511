//! What an operator may have hidden: every list, one organization's, or one credential's.
//!
//! A purge is a write that takes no time: it goes through the fence, so a fetch that began before it is not stored after
//! it. The target says what is meant and nothing is guessed: an unknown key is an error, for the empty query means
//! everything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN};

use crate::chathub::credential::{Digest, DigestKey, bearer_token};
use crate::chathub::{Groups, OrganizationId};
use crate::secret::Secret;
use crate::store::Store;
use crate::telemetry::metrics::PurgeScope;

/// What is to be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// Everything.
    All,
    /// The operator lists of one organization.
    Organization(OrganizationId),
    /// All that was fetched with the credentials whose digest begins like this, as the access log shows it.
    Credential(u32),
}

/// Says how a purge is written.
pub const USAGE: &str = "POST /purge hides everything, POST /purge?organization=24 the lists of one organization, \
                         POST /purge?credential=1a2b3c4d what was fetched with one credential, named as in the access log\n";

impl Purge {
    /// Reads the query of a target.
    #[must_use]
    pub fn from_query(query: Option<&str>) -> Option<Self> {
        let Some(query) = query.filter(|query| !query.is_empty()) else {
            return Some(Self::All);
        };
        match query.split_once('=')? {
            ("organization", id) => OrganizationId::from_canonical(id.as_bytes()).map(Self::Organization),
            ("credential", named) => {
                let prefix = named.rsplit_once(':').map_or(named, |(_, prefix)| prefix);
                let is_prefix = prefix.len() == 8 && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
                is_prefix.then(|| u32::from_str_radix(prefix, 16).ok().map(Self::Credential)).flatten()
            }
            _ => None,
        }
    }

    /// Hides it. Returns what to tell the operator.
    #[must_use]
    pub fn run(self, store: &Store) -> String {
        match self {
            Self::All => {
                store.fence().purge(&Groups::All);
                "{\"purged\":\"all\"}\n".to_owned()
            }
            Self::Organization(id) => {
                store.fence().purge(&Groups::Organizations(vec![id]));
                format!("{{\"purged\":\"organization\",\"organization\":{}}}\n", id.get())
            }
            Self::Credential(prefix) => {
                let count = store.fence().forget_all(|digest| digest.prefix() == prefix);
                format!("{{\"purged\":\"credential\",\"credentials\":{count}}}\n")
            }
        }
    }

    /// Returns its label.
    #[must_use]
    pub const fn scope(self) -> PurgeScope {
        match self {
            Self::All => PurgeScope::All,
            Self::Organization(_) => PurgeScope::Organization,
            Self::Credential(_) => PurgeScope::Credential,
        }
    }
}

/// Who may purge: whoever has the secret, or if there is none, whoever comes from 127.0.0.1 or ::1.
///
/// Where there is a secret, loopback is no proof: behind a forwarded port everybody is there.
/// Clones share the secret.
#[derive(Debug, Clone)]
pub struct Access {
    digests: DigestKey,
    secret: Arc<RwLock<Option<Digest>>>,
}

impl Access {
    /// Keeps a digest of the secret. Blanks around it, such as the line end of a file, do not count.
    #[must_use]
    pub fn new(digests: DigestKey, secret: Option<&Secret>) -> Self {
        let access = Self { digests, secret: Arc::default() };
        access.renew(secret);
        access
    }

    /// From now on that is the secret.
    pub fn renew(&self, secret: Option<&Secret>) {
        let digest = secret.map(|secret| self.digests.digest_other(secret.word()));
        *self.secret.write().unwrap_or_else(PoisonError::into_inner) = digest;
    }

    /// Returns whether somebody may. Digests are compared, so how long it takes tells nothing of the secret.
    #[must_use]
    pub fn allows(&self, peer: IpAddr, fields: &HeaderMap) -> bool {
        let given = || fields.get(AUTHORIZATION).and_then(|value| bearer_token(value.as_bytes()));
        match *self.secret.read().unwrap_or_else(PoisonError::into_inner) {
            Some(secret) => given().is_some_and(|word| self.digests.digest_other(word) == secret),
            // A page in a browser on this machine can send this too, but not without saying where it comes from.
            None => is_this_machine(peer) && !fields.contains_key(ORIGIN),
        }
    }
}

/// Returns whether somebody is on this machine, or in this pod. Not all of 127.0.0.0/8 is: a service mesh's proxy brings
/// what comes from the network from an address such as 127.0.0.6, and nobody else has one of those by chance.
pub(super) fn is_this_machine(peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    peer == IpAddr::from(Ipv4Addr::LOCALHOST) || peer == IpAddr::from(Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, digests, is_current, key, store_list};
    use http::HeaderValue;

    #[test]
    fn a_purge_says_what_it_means_or_is_refused() {
        let organization = OrganizationId::new(24).unwrap();
        let rows = [
            (None, Some(Purge::All)),
            (Some(""), Some(Purge::All)),
            (Some("organization=24"), Some(Purge::Organization(organization))),
            (Some("credential=0000beef"), Some(Purge::Credential(0xbeef))),
            (Some("credential=bearer:0000BEEF"), Some(Purge::Credential(0xbeef))),
        ];
        for (query, meant) in rows {
            assert_eq!(Purge::from_query(query), meant, "{query:?}");
        }
        for query in [
            "organisation=24",
            "organization=024",
            "organization=24&x=1",
            "credential=beef",
            "all",
            "credential=+0000bee",
        ] {
            assert_eq!(Purge::from_query(Some(query)), None, "{query}");
        }
    }

    #[test]
    fn a_purge_hides_what_it_names_and_what_is_on_its_way() {
        let store = Store::new(1 << 20, std::time::Duration::from_secs(60), &testing::metrics().store);
        let lists = [key("a", 24), key("b", 24), key("a", 6), key("b", 6)];
        let stored = |purge: Purge| {
            for list in lists {
                store_list(&store, list, &[]).unwrap();
            }
            let running = store.begin_fetch(key("a", 24), false);
            let said = purge.run(&store);
            let is_hidden = store.publish(&testing::entry(&running, &[])).is_err();
            (lists.map(|list| is_current(&store, &list)), is_hidden, said)
        };
        let (left, is_hidden, _) = stored(Purge::All);
        assert_eq!((left, is_hidden), ([false; 4], true));
        let (left, is_hidden, _) = stored(Purge::Organization(OrganizationId::new(24).unwrap()));
        assert_eq!((left, is_hidden), ([false, false, true, true], true));
        let (left, is_hidden, said) = stored(Purge::Credential(lists[0].credential.prefix()));
        assert_eq!((left, is_hidden), ([false, true, false, true], true));
        assert_eq!(said, "{\"purged\":\"credential\",\"credentials\":1}\n");
    }

    #[test]
    fn where_there_is_a_secret_it_takes_the_secret_and_else_this_machine() {
        let fields = |value: &'static str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
        let (near, far) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 7]));
        let open = Access::new(digests().clone(), None);
        assert!(open.allows(near, &HeaderMap::new()));
        assert!(open.allows("::ffff:127.0.0.1".parse().unwrap(), &HeaderMap::new()));
        assert!(open.allows("::1".parse().unwrap(), &HeaderMap::new()));
        assert!(!open.allows(IpAddr::from([127, 0, 0, 6]), &HeaderMap::new()), "whom a mesh brings from the network");
        let from_a_page = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("http://elsewhere"))]);
        assert!(!open.allows(near, &from_a_page), "a page in a browser");
        assert!(!open.allows(far, &fields("Bearer ")));
        let guarded = Access::new(digests().clone(), Some(&Secret::new(b"secret\n".to_vec())));
        assert!(guarded.allows(far, &fields("Bearer secret")));
        for wrong in ["Bearer secre", "secret", "Basic secret"] {
            assert!(!guarded.allows(far, &fields(wrong)), "{wrong}");
        }
        assert!(!guarded.allows(far, &HeaderMap::new()));
        assert!(!guarded.allows(near, &HeaderMap::new()), "loopback is no proof where there is a secret");
    }
}
