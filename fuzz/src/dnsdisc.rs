//! Node lists in DNS: their texts, and reading a list whose signer or resolver is hostile.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use undertone_base::Now;
use undertone_crypto::SecretKey;
use undertone_devp2p::dnsdisc::{
    Entry, Link, Query, Root, TreeEvent, TreeHash, TreeSync, TxtRecord, join_txt,
};
use undertone_devp2p::{NodeKey, limits};

/// The text of one TXT record, whichever it is.
pub fn dns_entry(data: &[u8]) {
    let joined = join_txt(&txt(data));
    assert_eq!(
        joined.as_deref(),
        std::str::from_utf8(data).ok().filter(|text| text.len() <= limits::MAX_DNS_TEXT)
    );
    let Some(text) = joined else { return };
    if let Ok(root) = text.parse::<Root>() {
        assert_eq!(root.to_string().parse().as_ref(), Ok(&root), "{text}");
        let _ = root.verify(&signer().public()).is_ok();
    }
    if let Ok(entry) = text.parse::<Entry>() {
        assert!(Entry::is_entry(&text));
        assert_eq!(entry.to_string().parse().as_ref(), Ok(&entry), "{text}");
    }
    if let Ok(link) = text.parse::<Link>() {
        assert_eq!(link.to_string().parse().as_ref(), Ok(&link), "{text}");
    }
    if let Ok(hash) = text.parse::<TreeHash>() {
        assert_eq!(hash.to_string(), text, "a hash is part of a name as it was written");
    }
}

/// Reading a list. The input is a list of records: operation, length (2 bytes), that many bytes. A record is a
/// text that the signer publishes, a branch over those before, a new root, an answer of the resolver that is
/// anything, or time in which honest answers come.
pub fn dns_sync(data: &[u8]) {
    let mut reader = Reader::new();
    for (op, body) in crate::records(data) {
        reader.step(op, body);
    }
    reader.pass(Duration::from_secs(1), MOST_STEPS);
}

/// Steps of time in one record.
const MOST_STEPS: usize = 64;

struct Reader {
    sync: TreeSync,
    now: Now,
    /// Hashes of what was published, in order.
    published: Vec<TreeHash>,
    /// Texts by name.
    texts: BTreeMap<String, String>,
    /// Questions; those that were given up are answered too, late.
    asked: VecDeque<Query>,
    /// Nodes and links of one reading.
    read: usize,
}

impl Reader {
    fn new() -> Self {
        let now = Now::default();
        let sync = TreeSync::new(Link::new(signer().public(), DOMAIN).expect("a name"), 0, now);
        let (published, texts, asked) = (Vec::new(), BTreeMap::new(), VecDeque::new());
        Self { sync, now, published, texts, asked, read: 0 }
    }

    fn step(&mut self, op: u8, body: &[u8]) {
        match op & 7 {
            0..=2 => self.publish(String::from_utf8_lossy(body).into_owned()),
            3 => {
                let children: Vec<String> =
                    body.iter().filter_map(|back| self.back(*back)).map(|hash| hash.to_string()).collect();
                self.publish(format!("enrtree-branch:{}", children.join(",")));
            }
            4 => self.sign(op >> 3, body),
            5 => self.answer(Some(&[txt(body)])),
            6 => self.pass(Duration::from_millis(100 * u64::from(op >> 3)), body.len().min(MOST_STEPS)),
            _ => self.pass(Duration::from_secs(3_600), 1),
        }
    }

    fn publish(&mut self, text: String) {
        let hash = TreeHash::of(&text);
        self.texts.insert(format!("{hash}.{DOMAIN}"), text);
        self.published.push(hash);
    }

    /// The hash of what was published so many before the last.
    fn back(&self, back: u8) -> Option<TreeHash> {
        self.published.iter().rev().nth(usize::from(back)).cloned()
    }

    fn sign(&mut self, seq: u8, body: &[u8]) {
        let &[nodes, links] = body.first_chunk().unwrap_or(&[0, 0]);
        let (Some(nodes), Some(links)) = (self.back(nodes), self.back(links)) else { return };
        let root = Root::sign(nodes, links, u64::from(seq), &signer());
        self.texts.insert(DOMAIN.to_owned(), root.to_string());
    }

    /// Time in which the resolver answers what it was asked.
    fn pass(&mut self, time: Duration, steps: usize) {
        for _ in 0..steps {
            self.now = self.now.after(time);
            self.sync.handle_timeout(self.now);
            self.ask();
            while let Some(query) = self.asked.front() {
                let answer = self.texts.get(&query.name).map(|text| [txt(text.as_bytes())]);
                self.answer(answer.as_ref().map(|answer| &answer[..]));
            }
        }
    }

    fn answer(&mut self, answer: Option<&[TxtRecord]>) {
        self.ask();
        let Some(query) = self.asked.pop_front() else { return };
        let before = self.sync.seq();
        self.sync.handle_answer(self.now, query.id, answer);
        assert!(self.sync.seq() >= before, "an older list came back");
        while let Some(event) = self.sync.poll_event() {
            match event {
                TreeEvent::Root { seq } => {
                    assert!(seq > before);
                    self.read = 0;
                }
                TreeEvent::Synced { .. } | TreeEvent::Failed(_) => self.read = 0,
                TreeEvent::Link(_) | TreeEvent::Node(_) => self.read += 1,
            }
        }
        assert!(self.read <= limits::MAX_DNS_ENTRIES, "a list is bounded");
        assert!(self.sync.poll_timeout().is_some() || !self.asked.is_empty(), "nothing would wake it up");
    }

    fn ask(&mut self) {
        let mut asked = 0;
        while let Some(query) = self.sync.poll_query(self.now) {
            let name = &query.name;
            assert!(name.ends_with(DOMAIN) && name.len() <= 253, "{name}");
            self.asked.push_back(query);
            asked += 1;
        }
        assert!(asked <= 1, "three questions in a second");
    }
}

/// Strings of at most 255 bytes, as DNS has them.
fn txt(text: &[u8]) -> TxtRecord {
    text.chunks(255).map(<[u8]>::to_vec).collect()
}

const DOMAIN: &str = "nodes.example.org";

fn signer() -> NodeKey {
    NodeKey::new(SecretKey::from_slice(&[0x0d; 32]).expect("a scalar in range"))
}
