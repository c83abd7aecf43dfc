//! What `Debug` shows of everything that holds a node's key or a link's keys.

use undertone_base::Secret;
use undertone_crypto::SecretKey;
use undertone_devp2p::NodeKey;
use undertone_devp2p::handshake::{Initiator, Recipient, Step};
use undertone_support::{assert_silent, rng};

#[test]
fn debug_shows_no_secret() {
    let mut rng = rng(1);
    let (a, b): (Secret<32>, Secret<32>) = (Secret::random(&mut rng), Secret::random(&mut rng));
    let secrets = [a.expose().as_slice(), b.expose()];
    let node = |secret: &Secret<32>| NodeKey::new(SecretKey::from_secret(secret.clone()).unwrap());
    let (alice, bob) = (node(&a), node(&b));
    assert_eq!(assert_silent(&alice, &secrets), "NodeKey(SecretKey(32 bytes))");
    let (initiator, auth) = Initiator::start(&alice, bob.public(), &mut rng);
    assert_silent(&initiator, &secrets);
    let Step::Done((theirs, ack), _) = Recipient::new().read(&bob, &auth, &mut rng).unwrap() else {
        panic!()
    };
    let Step::Done(ours, _) = initiator.read(&alice, &ack).unwrap() else { panic!() };
    for keyed in [ours, theirs] {
        let shown = assert_silent(&keyed, &secrets);
        assert!(shown.contains("aes: Secret(32 bytes), mac: Secret(32 bytes)"), "{shown}");
    }
}
