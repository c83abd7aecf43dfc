//! Calls and answers of the three contracts' methods, by the rules of the contract ABI: a selector, then words of 32
//! bytes.

use undertone_crypto::PublicKey;

use crate::error::AnswerFault;

/// `owner(bytes32)` of the registry.
pub(crate) const OWNER: [u8; 4] = [0x02, 0x57, 0x1b, 0xe3];
/// `resolver(bytes32)` of the registry.
pub(crate) const RESOLVER: [u8; 4] = [0x01, 0x78, 0xb8, 0xbf];
/// `addr(bytes32)` of a resolver.
pub(crate) const ADDR: [u8; 4] = [0x3b, 0x3b, 0x57, 0xde];
/// `pubkey(bytes32)` of a resolver.
pub(crate) const PUBKEY: [u8; 4] = [0xc8, 0x69, 0x02, 0x33];

/// An Ethereum address.
pub(crate) type Address = [u8; 20];

/// `selector (4) || node (32)` as JSON-RPC carries it.
pub(crate) fn call(selector: [u8; 4], node: &[u8; 32]) -> String {
    let mut data = [0; 36];
    let (head, tail) = data.split_at_mut(4);
    head.copy_from_slice(&selector);
    tail.copy_from_slice(node);
    const_hex::encode_prefixed(data)
}

/// One word that holds an address; `None` for the zero address, which means "none".
pub(crate) fn address(data: &[u8]) -> Result<Option<Address>, AnswerFault> {
    let word: &[u8; 32] = data.try_into().map_err(|_| AnswerFault::Length)?;
    let (padding, address) = word.split_first_chunk::<12>().ok_or(AnswerFault::Length)?;
    if *padding != [0; 12] {
        return Err(AnswerFault::Address);
    }
    let address: Address = address.try_into().map_err(|_| AnswerFault::Length)?;
    Ok((address != [0; 20]).then_some(address))
}

/// Two words: the coordinates of a public key. `None` for zeros, which mean "none", and for what is no point of the
/// curve: the owner of a name may write anything there, and nobody has the key of it.
pub(crate) fn pubkey(data: &[u8]) -> Result<Option<PublicKey>, AnswerFault> {
    let xy: &[u8; 64] = data.try_into().map_err(|_| AnswerFault::Length)?;
    Ok(PublicKey::from_xy(xy).ok())
}

#[cfg(test)]
mod tests {
    use undertone_crypto::SecretKey;
    use undertone_crypto::hash::keccak256;
    use undertone_vectors::load;

    use super::*;

    #[test]
    fn selectors_are_hashes_of_signatures_and_those_of_the_vectors() {
        let file = load("identity");
        let listed = file["ens"]["selectors"].as_object().unwrap();
        for (signature, ours) in [
            ("addr(bytes32)", ADDR),
            ("owner(bytes32)", OWNER),
            ("pubkey(bytes32)", PUBKEY),
            ("resolver(bytes32)", RESOLVER),
        ] {
            assert_eq!(keccak256(signature.as_bytes())[..4], ours, "{signature}");
            assert_eq!(listed[signature], const_hex::encode(ours));
        }
        assert_eq!(listed.len(), 4);
        assert_eq!(call(OWNER, &[0xab; 32]), format!("0x02571be3{}", "ab".repeat(32)));
    }

    #[test]
    fn answers_are_exact() {
        let mut word = [0; 32];
        assert_eq!(address(&word), Ok(None));
        word[31] = 7;
        assert_eq!(address(&word).unwrap().unwrap()[19], 7);
        word[11] = 1;
        assert_eq!(address(&word), Err(AnswerFault::Address));
        for len in [0, 1, 20, 31, 33, 64] {
            assert_eq!(address(&vec![0; len]), Err(AnswerFault::Length), "{len}");
        }
        let key = SecretKey::random(&mut undertone_support::rng(1)).public();
        let xy = key.to_xy();
        assert_eq!(pubkey(&xy), Ok(Some(key)));
        assert_eq!(pubkey(&[0; 64]), Ok(None));
        assert_eq!(pubkey(&[1; 64]), Ok(None));
        assert_eq!(pubkey(&xy[..63]), Err(AnswerFault::Length));
        assert_eq!(pubkey(&[&xy[..], &[0]].concat()), Err(AnswerFault::Length));
    }
}
