//! Routes become names, names become topics and keys.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use undertone_base::Secret;
use undertone_crypto::PublicKey;
use undertone_transport::Route;
use zeroize::Zeroizing;

use crate::Topic;
use crate::limits::MAX_ROUTE_KEYS;

/// Partitions that keys fall into (`status-go: const discoveryTopic`, 5,000).
const PARTITIONS: u16 = 5_000;

/// The name that a route has on Whisper: its topic is the hash of it, its symmetric key, if it has one, is derived
/// from it. Wiped, as a negotiated secret is a name too. `None` for a kind of route that is unknown here.
///
/// | route | name | key |
/// |---|---|---|
/// | public | the chat's name | from the name |
/// | contact code | `0x04…-contact-code` | from the name |
/// | negotiated | the secret in hex | from the name |
/// | partition | `contact-discovery-N`, N = X mod 5000 | the recipient's |
/// | personal | `contact-discovery-04…` | the recipient's |
pub(crate) fn name_of(route: &Route) -> Option<Zeroizing<String>> {
    Some(Zeroizing::new(match route {
        Route::ContactCode(key) => format!("{}-contact-code", key.to_hex()),
        Route::Negotiated(secret) => hex(secret.secret().expose()),
        Route::Partition(key) => format!("contact-discovery-{}", partition_of(key)),
        Route::Personal(key) => format!("contact-discovery-{}", key.to_bare_hex()),
        Route::Public(name) => name.as_str().to_owned(),
        _ => return None,
    }))
}

/// The topic of a route; `None` for a kind of route that is unknown here.
///
/// ```
/// use undertone_transport::{PublicName, Route};
/// let route = Route::Public(PublicName::new("status")?);
/// assert_eq!(undertone_whisper::topic_of(&route).unwrap().to_string(), "0xcd423760");
/// # Ok::<(), undertone_transport::BadName>(())
/// ```
pub fn topic_of(route: &Route) -> Option<Topic> {
    name_of(route).map(|name| Topic::of(&name))
}

/// X modulo [`PARTITIONS`].
fn partition_of(key: &PublicKey) -> u16 {
    let fold = |rest: u32, byte: &u8| (rest << 8 | u32::from(*byte)) % u32::from(PARTITIONS);
    u16::try_from(key.x().iter().fold(0, fold)).unwrap_or_default()
}

/// Reserved once, so that no growth leaves a copy behind.
fn hex(bytes: &[u8; 32]) -> String {
    let mut out = String::with_capacity(64);
    for byte in bytes {
        out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    out
}

/// How far the key of a symmetric route is.
#[derive(Clone, Debug)]
enum State {
    Deriving,
    Ready(Arc<Secret<32>>),
}

/// Keys of symmetric routes: tens of milliseconds each, so they are derived once, as jobs.
#[derive(Debug, Default)]
pub(crate) struct RouteKeys {
    states: BTreeMap<Route, State>,
    /// Behind this route those are looked for that nobody needs any more.
    hand: Option<Route>,
}

impl RouteKeys {
    pub(crate) fn get(&self, route: &Route) -> Option<&Arc<Secret<32>>> {
        match self.states.get(route) {
            Some(State::Ready(key)) => Some(key),
            _ => None,
        }
    }

    /// Whether a derivation must be started; it is noted as started then. `in_use` says which keys must stay.
    pub(crate) fn request(&mut self, route: &Route, in_use: impl Fn(&Route) -> bool) -> bool {
        if self.states.contains_key(route) {
            return false;
        }
        self.forget(in_use);
        self.states.insert(route.clone(), State::Deriving);
        true
    }

    /// Makes room, if there is none, among the next few: each call looks at so many however many there are, and after all
    /// calls for all of them every one was looked at several times.
    fn forget(&mut self, in_use: impl Fn(&Route) -> bool) {
        for _ in 0..MAX_LOOKS {
            if self.states.len() < MAX_ROUTE_KEYS {
                return;
            }
            let from = self.hand.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.states.range((from, Bound::Unbounded)).next();
            let Some((route, state)) = next.or_else(|| self.states.iter().next()) else { return };
            let (route, idle) = (route.clone(), matches!(state, State::Ready(_)) && !in_use(route));
            if idle {
                self.states.remove(&route);
            }
            self.hand = Some(route);
        }
    }

    /// There will be no key: the next request derives again.
    pub(crate) fn failed(&mut self, route: &Route) {
        if matches!(self.states.get(route), Some(State::Deriving)) {
            self.states.remove(route);
        }
    }

    pub(crate) fn derived(&mut self, route: Route, key: Secret<32>) {
        self.states.insert(route, State::Ready(Arc::new(key)));
    }
}

/// Keys that one request for another looks at, when there are too many. Our choice: tens of microseconds.
const MAX_LOOKS: usize = 16;

#[cfg(test)]
mod tests {
    use undertone_crypto::SecretKey;
    use undertone_crypto::kdf::topic_key;
    use undertone_transport::{NegotiatedSecret, PublicName};
    use undertone_vectors::{Value, hex, hex_n, load};

    use super::*;

    fn check(route: &Route, want: &Value, with_key: bool) {
        let name = name_of(route).unwrap();
        if let Some(string) = want.get("string").and_then(Value::as_str) {
            assert_eq!(*name, string);
        }
        assert_eq!(topic_of(route).unwrap().as_bytes().to_vec(), hex(&want["topic"]));
        if with_key {
            assert_eq!(topic_key(&name).expose().to_vec(), hex(&want["sym_key"]));
        }
    }

    #[test]
    fn keys_that_nobody_needs_make_room_and_no_request_looks_at_all() {
        use std::cell::Cell;
        let route = |n: usize| Route::Public(PublicName::new(&format!("room-{n}")).unwrap());
        let mut keys = RouteKeys::default();
        let most = MAX_ROUTE_KEYS + 500;
        for n in 0..most {
            let looks = Cell::new(0);
            assert!(keys.request(&route(n), |_| {
                looks.set(looks.get() + 1);
                true
            }));
            assert!(looks.get() <= MAX_LOOKS);
            keys.derived(route(n), Secret::new([1; 32]));
        }
        assert_eq!(keys.states.len(), most, "what is needed stays");
        let kept = route(7);
        for n in most..most + 1_000 {
            assert!(keys.request(&route(n), |needed| *needed == kept));
            keys.derived(route(n), Secret::new([1; 32]));
        }
        assert_eq!(keys.states.len(), MAX_ROUTE_KEYS);
        assert!(keys.get(&kept).is_some());
    }

    #[test]
    fn names_of_keys() {
        let file = load("topics_filters");
        let cases = file["keys"].as_array().unwrap();
        for (i, case) in cases.iter().enumerate() {
            let key = PublicKey::from_hex(case["public"].as_str().unwrap()).unwrap();
            assert_eq!(u64::from(partition_of(&key)), case["partition"].as_u64().unwrap());
            check(&Route::ContactCode(key), &case["contact_code"], i < 3);
            check(&Route::Partition(key), &case["partitioned"], false);
            check(&Route::Personal(key), &case["personal_discovery"], false);
        }
        assert_eq!(cases.len(), 11);
    }

    #[test]
    fn names_of_public_chats() {
        let file = load("topics_filters");
        let cases = file["public_chats"].as_array().unwrap();
        for case in cases {
            let name = PublicName::new(case["string"].as_str().unwrap()).unwrap();
            check(&Route::Public(name), case, true);
        }
        assert_eq!(cases.len(), 14);
    }

    #[test]
    fn names_of_negotiated_secrets() {
        let file = load("topics_filters");
        let mut cases: Vec<_> = file["negotiated"].as_array().unwrap().clone();
        cases.push(file["negotiated_leading_zero"].clone());
        for case in &cases {
            let a = SecretKey::from_slice(&hex(&case["private_a"])).unwrap();
            let b = SecretKey::from_slice(&hex(&case["private_b"])).unwrap();
            let secret = a.ecdh(&b.public());
            assert_eq!(*secret.expose(), hex_n(&case["shared_secret_32"]));
            let route = Route::Negotiated(NegotiatedSecret::new(secret));
            check(&route, case, case.get("sym_key").is_some());
        }
        assert_eq!(cases.len(), 6);
    }

    #[test]
    fn filters_of_a_fresh_identity() {
        let file = load("topics_filters");
        let filters = file["filters_for_alice"][0]["result"]["filters"].as_array().unwrap();
        for filter in filters {
            let key = PublicKey::from_hex(filter["identity"].as_str().unwrap()).unwrap();
            let routes = [Route::ContactCode(key), Route::Personal(key), Route::Partition(key)];
            let id = filter["chat_id"].as_str().unwrap();
            let route = routes.iter().find(|r| *name_of(r).unwrap() == id).unwrap();
            assert_eq!(topic_of(route).unwrap().as_bytes().to_vec(), hex(&filter["topic"]));
            assert_eq!(filter["symmetric"].as_bool().unwrap(), !route.is_sealed_to_a_key());
        }
        assert_eq!(filters.len(), 3);
    }
}
