//! Questions about names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use undertone_crypto::PublicKey;

use crate::abi::{self, Address};
use crate::endpoint::Endpoint;
use crate::error::EnsError;
use crate::limits::{CALL_TIMEOUT, MAX_QUESTIONS};
use crate::name::EnsName;
use crate::rpc::{Called, Rpc};

/// The registry of the main chain (EIP-137; `identity.md` 6).
pub const MAINNET_REGISTRY: [u8; 20] = [
    0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x2e, 0x07, 0x4e, 0xc6, 0x9a, 0x0d, 0xfb, 0x29, 0x97, 0xba, 0x6c,
    0x7d, 0x2e, 0x1e,
];

/// Number of the main chain (EIP-155).
pub const MAINNET: u64 = 1;

/// Where and how to ask.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnsConfig {
    /// The endpoint. Whoever runs it learns which names are asked for, and is believed.
    pub endpoint: Endpoint,
    /// The chain that it must serve. The registry has the same address on test chains, where names cost nothing. An
    /// endpoint that has no method to say which it serves is believed in this too.
    pub chain: u64,
    /// Address of the registry contract.
    pub registry: [u8; 20],
    /// How long one call may take; a question is at most five.
    pub timeout: Duration,
}

impl EnsConfig {
    /// The main chain, with [`CALL_TIMEOUT`].
    pub const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, chain: MAINNET, registry: MAINNET_REGISTRY, timeout: CALL_TIMEOUT }
    }
}

/// Whether a name is somebody's, at the moment of the question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// No such name, or it names no key: not theirs.
    NoKey,
    /// The name stands for another key: not theirs.
    OtherKey(PublicKey),
    /// The name stands for exactly this key.
    Verified,
}

/// Asks an endpoint about names. Clones share its connection.
#[derive(Clone, Debug)]
pub struct Ens(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rpc: Rpc,
    chain: u64,
    registry: Address,
    /// Whether the endpoint was asked for its chain and says no other.
    chain_checked: AtomicBool,
    questions: Arc<Semaphore>,
}

impl Ens {
    /// Asks nothing yet.
    pub fn new(config: EnsConfig) -> Self {
        Self(Arc::new(Shared {
            rpc: Rpc::new(config.endpoint, config.timeout),
            chain: config.chain,
            registry: config.registry,
            chain_checked: AtomicBool::new(false),
            questions: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        }))
    }

    /// The chat key that a name stands for; `None` for a name that nobody owns, that has no resolver, or whose resolver
    /// holds no key of the curve for it.
    ///
    /// May be cancelled; a call under way ends by itself. Needs a runtime.
    ///
    /// # Errors
    /// [`EnsError`]: nothing is known about the name then.
    pub async fn resolve(&self, name: &EnsName) -> Result<Option<PublicKey>, EnsError> {
        let node = name.node();
        self.ask(move |shared| shared.key(&node)).await
    }

    /// Whether `claimed` is the key that a name stands for. All of it is compared: a key and its negation differ.
    ///
    /// May be cancelled, as [`Ens::resolve`].
    ///
    /// # Errors
    /// [`EnsError`]: no verdict; what was known before stays.
    pub async fn verify(&self, name: &EnsName, claimed: &PublicKey) -> Result<Verdict, EnsError> {
        Ok(match self.resolve(name).await? {
            Some(key) if key == *claimed => Verdict::Verified,
            Some(key) => Verdict::OtherKey(key),
            None => Verdict::NoKey,
        })
    }

    /// The Ethereum address that a name stands for, if any.
    ///
    /// May be cancelled, as [`Ens::resolve`].
    ///
    /// # Errors
    /// [`EnsError`].
    pub async fn address(&self, name: &EnsName) -> Result<Option<[u8; 20]>, EnsError> {
        let node = name.node();
        self.ask(move |shared| shared.address(&node)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Shared) -> Result<T, EnsError> + Send + 'static,
    ) -> Result<T, EnsError> {
        let permit = Arc::clone(&self.0.questions).acquire_owned().await.map_err(|_| EnsError::Stopped)?;
        let shared = Arc::clone(&self.0);
        let answer = tokio::task::spawn_blocking(move || {
            // With the question: one that nobody waits for any more counts until it ends.
            let _permit = permit;
            question(&shared)
        });
        let answer = answer.await.map_err(|_| EnsError::Stopped)?;
        answer.inspect_err(|error| tracing::debug!(code = error.code(), "a name was not answered for"))
    }
}

impl Shared {
    /// DEVIATION: `identity.md` 6 step 3 first asks the resolver for `addr("test.eth")`, to see whether it is one. An
    /// answer to `pubkey` of the right shape shows as much, so that call is spared (test
    /// `a_resolver_that_is_none_has_no_key`).
    fn key(&self, node: &[u8; 32]) -> Result<Option<PublicKey>, EnsError> {
        Ok(self.of_resolver(abi::PUBKEY, node)?.and_then(|data| abi::pubkey(&data).ok()?))
    }

    fn address(&self, node: &[u8; 32]) -> Result<Option<Address>, EnsError> {
        Ok(self.of_resolver(abi::ADDR, node)?.and_then(|data| abi::address(&data).ok()?))
    }

    /// What the resolver of a name says. The owner of the name has chosen it: an account without a contract, one that
    /// refuses (geth 1.9.7 gives its reasons as if they were the answer) or says something of another shape is no
    /// failure of the endpoint. There is no such record.
    fn of_resolver(&self, selector: [u8; 4], node: &[u8; 32]) -> Result<Option<Vec<u8>>, EnsError> {
        let Some(resolver) = self.resolver(node)? else { return Ok(None) };
        Ok(match self.rpc.call(&resolver, &abi::call(selector, node))? {
            Called::Data(data) => Some(data),
            Called::Reverted => None,
        })
    }

    /// The resolver of a name that has an owner. A registry always answers: where it is not, the chain is not there yet.
    fn resolver(&self, node: &[u8; 32]) -> Result<Option<Address>, EnsError> {
        self.check_chain()?;
        if self.of_registry(abi::OWNER, node)?.is_none() {
            return Ok(None);
        }
        self.of_registry(abi::RESOLVER, node)
    }

    fn of_registry(&self, selector: [u8; 4], node: &[u8; 32]) -> Result<Option<Address>, EnsError> {
        match self.rpc.call(&self.registry, &abi::call(selector, node))? {
            Called::Data(data) if data.is_empty() => Err(EnsError::Behind),
            Called::Data(data) => abi::address(&data).map_err(EnsError::Answer),
            Called::Reverted => Err(EnsError::Answer(crate::AnswerFault::Length)),
        }
    }

    fn check_chain(&self) -> Result<(), EnsError> {
        if !self.chain_checked.load(Ordering::Relaxed) {
            match self.rpc.chain()? {
                // It is believed in everything else too.
                None => {}
                Some(got) if got == self.chain => {}
                // geth 1.9.7 has no number for a chain whose first blocks it has not seen.
                Some(0) => return Err(EnsError::Behind),
                Some(got) => return Err(EnsError::Chain { got, want: self.chain }),
            }
            self.chain_checked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
