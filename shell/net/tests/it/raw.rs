//! A peer by hand: RLPx written a second time, from the notes and not from `devp2p`, so that it can break any
//! rule at any place and says what it saw in the words of the vectors (`rlpx.json/server_behaviour`).

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use undertone_base::Secret;
use undertone_crypto::ctr::{Aes256Block, Aes256Stream, aes128};
use undertone_crypto::hash::{Keccak, keccak256_parts, sha256, sha256_parts};
use undertone_crypto::kdf::hmac_sha256;
use undertone_crypto::{PublicKey, SecretKey, Signature};
use undertone_devp2p::{Enode, Host};

use crate::{LONG, Node};

/// The base protocol.
pub(crate) const HELLO: u64 = 0;
pub(crate) const DISCONNECT: u64 = 1;
pub(crate) const PING: u64 = 2;
/// The first message of the only capability.
pub(crate) const FIRST: u64 = 16;
/// `[]`.
pub(crate) const EMPTY: &[u8] = &[0xc0];

/// The secret key of a peer by hand.
pub(crate) fn secret(seed: u64) -> SecretKey {
    SecretKey::random(&mut undertone_support::rng(seed))
}

/// Where a node listens.
pub(crate) fn address(enode: &Enode) -> SocketAddr {
    let endpoint = enode.endpoint().expect("an endpoint");
    let Host::Ip(ip) = endpoint.host else { panic!("an address") };
    SocketAddr::new(ip, endpoint.tcp)
}

pub(crate) async fn connect(node: &Node) -> TcpStream {
    prompt(TcpStream::connect(address(&node.net.enode())).await.expect("a listener"))
}

/// What is written is sent at once: virtual time does not wait for an acknowledgement.
fn prompt(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("an open socket");
    stream
}

/// A connection from another address of the loopback network, as if from another machine of it.
pub(crate) async fn connect_from(node: &Node, host: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).expect("an address of loopback");
    prompt(socket.connect(address(&node.net.enode())).await.expect("a listener"))
}

/// Everything until the other side closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("closed in time") {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    bytes
}

/// An RLP string.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte] if *byte < 0x80 => vec![*byte],
        _ => [prefix(0x80, bytes.len()), bytes.to_vec()].concat(),
    }
}

/// An RLP list of encoded items.
pub(crate) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let body = items.concat();
    [prefix(0xc0, body.len()), body].concat()
}

/// A canonical RLP integer.
pub(crate) fn uint(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    string(&bytes[zeros..])
}

fn prefix(offset: u8, length: usize) -> Vec<u8> {
    if length < 56 {
        return vec![offset + u8::try_from(length).expect("short")];
    }
    let bytes = length.to_be_bytes();
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    [&[offset + 55 + u8::try_from(bytes.len()).expect("short")], bytes].concat()
}

/// One raw snappy block.
pub(crate) fn compress(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).expect("small")
}

/// ECIES with whatever first 65 bytes: `point || iv || ciphertext || tag`, keyed by the x coordinate `z`.
pub(crate) fn seal_under(point: &[u8], z: &Secret<32>, plain: &[u8], shared: &[u8]) -> Vec<u8> {
    let derived = sha256_parts(&[&[0, 0, 0, 1], z.expose()]);
    let (cipher, mac) = derived.split_at(16);
    let iv = [7; 16];
    let mut body = plain.to_vec();
    aes128(cipher.try_into().expect("16 bytes"), &iv, &mut body);
    let tag = hmac_sha256(&sha256(mac), &[&iv, &body, shared]);
    [point, &iv, &body, tag.expose()].concat()
}

/// `BE16(size) || ecies(body)`, the shared data being those two bytes.
pub(crate) fn packet(to: &PublicKey, body: &[u8]) -> Vec<u8> {
    let ephemeral = secret(77);
    packet_under(&ephemeral.public().to_uncompressed(), &ephemeral.ecdh(to), body)
}

/// [`packet`] with any point and the z that a careless reader of it would compute.
pub(crate) fn packet_under(point: &[u8], z: &Secret<32>, body: &[u8]) -> Vec<u8> {
    let size = u16::try_from(point.len() + 16 + body.len() + 32).expect("small").to_be_bytes();
    [&size[..], &seal_under(point, z, body, &size)].concat()
}

/// What is in an auth. Every part may be wrong.
pub(crate) struct Auth {
    pub(crate) signature: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    /// Encoded; more items may follow.
    pub(crate) version: Vec<u8>,
    pub(crate) padding: usize,
}

impl Auth {
    /// A right one.
    pub(crate) fn new(key: &SecretKey, ephemeral: &SecretKey, nonce: [u8; 32], to: &PublicKey) -> Self {
        let mut digest = *key.ecdh(to).expose();
        digest.iter_mut().zip(nonce).for_each(|(byte, nonce)| *byte ^= nonce);
        let signature = Signature::sign(&digest, ephemeral).as_bytes().to_vec();
        let key = key.public().to_xy().to_vec();
        Self { signature, key, nonce: nonce.to_vec(), version: uint(4), padding: 150 }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let items = [string(&self.signature), string(&self.key), string(&self.nonce), self.version.clone()];
        [list(&items), vec![0; self.padding]].concat()
    }
}

/// One direction of a link.
struct Half {
    cipher: Aes256Stream,
    block: Aes256Block,
    state: Keccak,
    /// Of the frame whose header was read.
    size: Option<usize>,
}

impl Half {
    fn new(aes: &Secret<32>, mac: &Secret<32>, nonce: &[u8], packet: &[u8]) -> Self {
        let mut state = Keccak::new();
        let seed: Vec<u8> = mac.expose().iter().zip(nonce).map(|(a, b)| a ^ b).collect();
        state.absorb(&seed);
        state.absorb(packet);
        Self { cipher: Aes256Stream::new(aes), block: Aes256Block::new(mac), state, size: None }
    }

    fn digest(&self) -> [u8; 16] {
        self.state.snapshot()[..16].try_into().expect("16 of 32")
    }

    fn update(&mut self, seed: [u8; 16]) -> [u8; 16] {
        let mut block = self.block.encrypt(self.digest());
        block.iter_mut().zip(seed).for_each(|(byte, seed)| *byte ^= seed);
        self.state.absorb(&block);
        self.digest()
    }

    fn body_mac(&mut self, body: &[u8]) -> [u8; 16] {
        self.state.absorb(body);
        self.update(self.digest())
    }

    fn header(&mut self, size: usize) -> Vec<u8> {
        let mut header = [0; 16];
        header[..3].copy_from_slice(&u32::try_from(size).expect("small").to_be_bytes()[1..]);
        header[3..6].copy_from_slice(&[0xc2, 0x80, 0x80]);
        self.cipher.apply(&mut header);
        [header, self.update(header)].concat()
    }

    fn frame(&mut self, data: &[u8]) -> Vec<u8> {
        let mut frame = self.header(data.len());
        let mut body = data.to_vec();
        body.resize(data.len().next_multiple_of(16), 0);
        self.cipher.apply(&mut body);
        frame.extend_from_slice(&body);
        frame.extend(self.body_mac(&body));
        frame
    }

    /// Takes the first frame off the front of `wire`, if it is all there.
    fn open(&mut self, wire: &mut Vec<u8>) -> Option<Vec<u8>> {
        if self.size.is_none() && wire.len() >= 32 {
            let head: Vec<u8> = wire.drain(..32).collect();
            let header: [u8; 16] = head[..16].try_into().expect("16 bytes");
            assert_eq!(self.update(header), head[16..], "header mac");
            let mut plain = header;
            self.cipher.apply(&mut plain);
            self.size =
                Some(usize::from(plain[0]) << 16 | usize::from(plain[1]) << 8 | usize::from(plain[2]));
        }
        let size = self.size?;
        let filled = size.next_multiple_of(16);
        if wire.len() < filled + 16 {
            return None;
        }
        self.size = None;
        let mut body: Vec<u8> = wire.drain(..filled).collect();
        let tag: Vec<u8> = wire.drain(..16).collect();
        assert_eq!(self.body_mac(&body), tag[..], "body mac");
        self.cipher.apply(&mut body);
        body.truncate(size);
        Some(body)
    }
}

/// A link whose keys are made, from the side that dialled.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    pub(crate) key: SecretKey,
    egress: Half,
    ingress: Half,
    /// Read and not looked at yet.
    wire: Vec<u8>,
}

impl Raw {
    /// Auth and ack are through; nothing else was sent.
    pub(crate) async fn keyed(node: &Node, seed: u64) -> Self {
        Self::keyed_over(connect(node).await, node, secret(seed)).await
    }

    pub(crate) async fn keyed_over(mut stream: TcpStream, node: &Node, key: SecretKey) -> Self {
        let to = *node.net.enode().key();
        let (ephemeral, nonce) = (secret(1_000), [3; 32]);
        let auth = packet(&to, &Auth::new(&key, &ephemeral, nonce, &to).body());
        stream.write_all(&auth).await.expect("written");
        let mut ack = vec![0; 2];
        timeout(LONG, stream.read_exact(&mut ack)).await.expect("an ack in time").expect("an ack");
        let size = usize::from(u16::from_be_bytes([ack[0], ack[1]]));
        ack.resize(2 + size, 0);
        timeout(LONG, stream.read_exact(&mut ack[2..])).await.expect("an ack in time").expect("an ack");

        let (remote, theirs) = open_ack(&key, &ack);
        let e = ephemeral.ecdh(&remote);
        let shared = keccak256_parts(&[e.expose(), &keccak256_parts(&[&theirs, &nonce])]);
        let aes = Secret::new(keccak256_parts(&[e.expose(), &shared]));
        let mac = Secret::new(keccak256_parts(&[e.expose(), aes.expose()]));
        let egress = Half::new(&aes, &mac, &theirs, &auth);
        let ingress = Half::new(&aes, &mac, &nonce, &ack);
        Self { stream, key, egress, ingress, wire: Vec::new() }
    }

    /// And both Hellos went.
    pub(crate) async fn established(node: &mut Node, seed: u64) -> Self {
        Self::keyed(node, seed).await.greet(node).await
    }

    /// Both Hellos go.
    pub(crate) async fn greet(mut self, node: &mut Node) -> Self {
        self.raw(HELLO, &self.hello().encode()).await;
        node.connected().await;
        assert_eq!(self.next().await, "Hello");
        self
    }

    pub(crate) fn hello(&self) -> Greeting {
        Greeting {
            version: 5,
            client: b"by hand".to_vec(),
            capabilities: vec![list(&[string(b"shh"), uint(6)])],
            key: self.key.public().to_xy().to_vec(),
        }
    }

    /// The bytes of a frame, not sent.
    pub(crate) fn frame(&mut self, message: u64, payload: &[u8]) -> Vec<u8> {
        self.egress.frame(&[&uint(message)[..], payload].concat())
    }

    /// The bytes of a frame with whatever in it, not sent.
    pub(crate) fn frame_of(&mut self, data: &[u8]) -> Vec<u8> {
        self.egress.frame(data)
    }

    /// The bytes of a header alone that announces `size` bytes.
    pub(crate) fn header(&mut self, size: usize) -> Vec<u8> {
        self.egress.header(size)
    }

    /// A message as it is.
    pub(crate) async fn raw(&mut self, message: u64, payload: &[u8]) {
        let frame = self.frame(message, payload);
        self.bytes(&frame).await;
    }

    /// A message, compressed.
    pub(crate) async fn packed(&mut self, message: u64, payload: &[u8]) {
        self.raw(message, &compress(payload)).await;
    }

    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("written");
    }

    /// The next frame of the other side.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            if let Some(frame) = self.ingress.open(&mut self.wire) {
                return describe(&frame);
            }
            let read = timeout(LONG, self.stream.read_buf(&mut self.wire)).await.expect("a frame in time");
            assert!(read.expect("an open connection") > 0, "closed instead of a frame");
        }
    }

    /// Whatever the other side says until it closes, in the words of the vectors. Then this side closes too.
    pub(crate) async fn seen(mut self) -> String {
        let more = rest(&mut self.stream).await;
        self.wire.extend(more);
        let mut words = Vec::new();
        while let Some(frame) = self.ingress.open(&mut self.wire) {
            words.push(describe(&frame));
        }
        assert!(self.wire.is_empty() && self.ingress.size.is_none(), "half a frame");
        words.join(" ")
    }
}

/// A Hello. Every part may be wrong.
pub(crate) struct Greeting {
    pub(crate) version: u64,
    pub(crate) client: Vec<u8>,
    /// Each encoded.
    pub(crate) capabilities: Vec<Vec<u8>>,
    pub(crate) key: Vec<u8>,
}

impl Greeting {
    pub(crate) fn encode(&self) -> Vec<u8> {
        list(&[
            uint(self.version),
            string(&self.client),
            list(&self.capabilities),
            uint(0),
            string(&self.key),
        ])
    }
}

/// The recipient's ephemeral key and nonce.
fn open_ack(key: &SecretKey, ack: &[u8]) -> (PublicKey, [u8; 32]) {
    let plain = undertone_crypto::ecies::decrypt(&ack[2..], &ack[..2], |point| Some(key.ecdh(point)));
    let plain = plain.unwrap_or_else(|_| panic!("an ack that opens"));
    // f8 64 | b8 40 ephemeral (64) | a0 nonce (32) | 04
    assert_eq!((&plain[..4], plain[68]), (&[0xf8, 0x64, 0xb8, 0x40][..], 0xa0));
    let remote = PublicKey::from_xy(&plain[4..68]).expect("a point");
    (remote, plain[69..101].try_into().expect("32 bytes"))
}

fn describe(frame: &[u8]) -> String {
    let (message, payload) = match frame {
        [0x80, rest @ ..] => (0, rest),
        [id, rest @ ..] if *id < 0x80 => (u64::from(*id), rest),
        [0x81, id, rest @ ..] => (u64::from(*id), rest),
        _ => panic!("an id of more than two bytes"),
    };
    let unpacked = snap::raw::Decoder::new().decompress_vec(payload);
    let plain = unpacked.as_deref().unwrap_or(payload);
    let hex: String = plain.iter().map(|byte| format!("{byte:02x}")).collect();
    match message {
        HELLO => "Hello".to_owned(),
        DISCONNECT => {
            let form = if unpacked.is_ok() { "snappy-compressed" } else { "not compressed" };
            format!("Disconnect({hex}, {form})")
        }
        other => format!("msg{other}({hex})"),
    }
}
