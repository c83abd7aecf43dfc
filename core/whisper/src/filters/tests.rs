//! Filters against a naive model, geth's session and the bounds.

mod model;

use std::collections::BTreeMap;

use undertone_crypto::{MemoryKeyring, SecretKey};
use undertone_sealed::{Padding, SealRequest, SealTo, seal};
use undertone_support::rng;
use undertone_vectors::{Value, hex, hex_n, load};

use super::*;
use crate::Header;
use crate::limits::{MAX_FILTER_BYTES, MAX_FILTER_MESSAGES, MAX_KEPT_BYTES, MAX_KEPT_PLACES};

const EXPIRY: u32 = 1_600_000_050;

fn topic(n: u32) -> Topic {
    Topic::from_bytes(n.to_be_bytes())
}

fn shared(n: u32) -> FilterKey {
    FilterKey::Symmetric(Arc::new(Secret::new(keccak256(&n.to_be_bytes()))))
}

fn pair(n: u8) -> SecretKey {
    SecretKey::from_slice(&[n + 1; 32]).unwrap()
}

/// Key pairs 0 to 4.
fn keyring() -> Arc<MemoryKeyring> {
    let mut keyring = MemoryKeyring::new();
    for n in 0..5 {
        keyring.insert(pair(n));
    }
    Arc::new(keyring)
}

fn filters() -> Filters {
    Filters::new(keyring())
}

fn asymmetric(n: u8) -> FilterKey {
    FilterKey::Asymmetric(KeyId::of(&pair(n).public()))
}

/// An envelope for a key.
fn sealed(key: &FilterKey, author: Option<u8>, topic: Topic, payload: &[u8], nonce: u64) -> Envelope {
    let keyring = keyring();
    let recipient = match key {
        FilterKey::Asymmetric(id) => keyring.public(id),
        FilterKey::Symmetric(_) => None,
    };
    let request = SealRequest {
        payload,
        signer: author.map(|n| (keyring.as_ref() as &dyn Keyring, KeyId::of(&pair(n).public()))),
        seal_to: match (key, &recipient) {
            (FilterKey::Symmetric(key), _) => SealTo::Symmetric(key),
            (FilterKey::Asymmetric(_), recipient) => SealTo::Asymmetric(recipient.as_ref().unwrap()),
        },
        padding: Padding::Auto,
    };
    let data = seal(&request, &mut rng(nonce)).unwrap();
    Envelope::new(Header { expiry: EXPIRY, ttl: 50, topic }, &data, nonce)
}

fn run_all(filters: &mut Filters) {
    while let Some(job) = filters.poll_job() {
        filters.job_done(job.run());
    }
}

fn payloads(messages: &[Arc<Message>]) -> Vec<&[u8]> {
    messages.iter().map(|message| message.payload.as_slice()).collect()
}

#[test]
fn every_sealed_message_of_geth_is_opened() {
    let file = load("whisper_crypto");
    let mut keyring = MemoryKeyring::new();
    let recipient = keyring.insert(SecretKey::from_slice(&hex(&file["keys"]["bob_private"])).unwrap());
    let mut filters = Filters::new(Arc::new(keyring));
    let shared = FilterKey::Symmetric(Arc::new(Secret::new(hex_n(&file["keys"]["sym_key"]))));
    let open = Filter::of(shared.clone());
    let by_key = filters.install(open.clone()).unwrap();
    let by_pair = filters.install(Filter::of(FilterKey::Asymmetric(recipient))).unwrap();
    let much_work = filters.install(Filter { min_pow: Pow::new(0.01).unwrap(), ..open.clone() }).unwrap();
    let elsewhere = filters.install(Filter { topics: [topic(1)].into(), ..open }).unwrap();
    let messages = file["messages"].as_array().unwrap();
    let mut counts = [0; 3];
    for case in messages {
        let rlp = hex(&case["envelope_rlp"]);
        let raw = RawEnvelope::decode(&rlp).unwrap();
        filters.offer(&raw.to_envelope(raw.hash(), &raw.work()), Arrival::Broadcast);
        run_all(&mut filters);
        let symmetric = case["encryption"] == "symmetric";
        let (got, other) = if symmetric { (by_key, by_pair) } else { (by_pair, by_key) };
        let got = filters.take(got).unwrap();
        assert_eq!(got.len(), 1, "{}", case["name"]);
        let message = &got[0];
        assert_eq!(message.payload.len() as u64, case["payload_len"].as_u64().unwrap());
        assert_eq!(message.hash.as_bytes().to_vec(), hex(&case["envelope_hash"]));
        assert_eq!(message.author.is_some(), case["signed"].as_bool().unwrap());
        assert_eq!(message.recipient.is_some(), !symmetric);
        assert_eq!(
            message.pow.to_bits(),
            u64::from_str_radix(&case["pow_bits"].as_str().unwrap()[2..], 16).unwrap()
        );
        assert_eq!(filters.take(other).unwrap().len() + filters.take(elsewhere).unwrap().len(), 0);
        let enough = symmetric && message.pow >= 0.01;
        assert_eq!(filters.take(much_work).unwrap().len(), usize::from(enough));
        counts[usize::from(symmetric)] += 1;
        counts[2] += usize::from(enough);
    }
    assert_eq!((messages.len(), counts[0] + counts[1]), (15, 15));
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// The four filters and four messages of the recorded session, with keys of ours: who gets what.
#[test]
fn filters_answer_as_in_the_session_of_geth() {
    let file = load("whisper_rpc");
    let calls: Vec<&Value> = file["transcript"].as_array().unwrap().iter().collect();
    let ours = |call: &&&Value| call["result"].is_string() || call["result"].is_array();
    let created = calls.iter().filter(|call| call["method"] == "shh_newMessageFilter").filter(ours);
    let mut filters = filters();
    let ids: BTreeMap<&str, FilterId> = created
        .map(|call| {
            let criteria = &call["params"][0];
            let key = if criteria["symKeyID"].is_string() { shared(1) } else { asymmetric(0) };
            let filter = Filter {
                from: criteria["sig"].is_string().then(|| pair(0).public()),
                topics: criteria["topics"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|t| Topic::from_bytes(hex_n(t)))
                    .collect(),
                min_pow: Pow::new(criteria["minPow"].as_f64().unwrap_or(0.0)).unwrap(),
                direct: if criteria["allowP2P"] == true { Direct::Taken } else { Direct::Ignored },
                ..Filter::of(key)
            };
            (call["result"].as_str().unwrap(), filters.install(filter).unwrap())
        })
        .collect();
    assert_eq!(ids.len(), 4);

    let posts = calls.iter().take(90).filter(|call| call["method"] == "shh_post").filter(ours);
    let mut hashes = BTreeMap::new();
    for (n, call) in posts.enumerate() {
        let message = &call["params"][0];
        let key = if message["pubKey"].is_string() { asymmetric(0) } else { shared(1) };
        let author = message["sig"].is_string().then_some(0);
        let topic =
            message["topic"].as_str().map_or(topic(0), |_| Topic::from_bytes(hex_n(&message["topic"])));
        let payload = message["payload"].as_str().map_or(vec![], |_| hex(&message["payload"]));
        // Some work, so that 0.1 is reached and 1,000 is not.
        let plain = sealed(&key, author, topic, &payload, n as u64);
        let mut made = (0..).map(|nonce| Envelope::new(plain.header(), plain.data(), nonce));
        let envelope = made.find(|e| e.strict_pow() > 0.1).unwrap();
        filters.offer(&envelope, Arrival::Broadcast);
        hashes.insert(envelope.hash(), call["result"].as_str().unwrap());
    }
    assert_eq!(hashes.len(), 4);
    run_all(&mut filters);

    let mut polls = 0;
    for call in
        calls.iter().filter(|call| call["method"] == "shh_getFilterMessages" && call["result"].is_array())
    {
        // The first poll of the session is before the first message.
        polls += 1;
        if polls == 1 {
            continue;
        }
        let taken = filters.take(ids[call["params"][0].as_str().unwrap()]).unwrap();
        let mut got: Vec<_> = taken
            .iter()
            .map(|message| (hashes[&message.hash], message.author.is_some(), message.recipient.is_some()))
            .collect();
        let said = call["result"].as_array().unwrap().iter();
        let mut expected: Vec<_> = said
            .map(|m| (m["hash"].as_str().unwrap(), m["sig"].is_string(), m["recipientPublicKey"].is_string()))
            .collect();
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected);
    }
    assert_eq!(polls, 6);
    for id in ids.values() {
        filters.remove(*id).unwrap();
        assert_eq!(filters.take(*id), Err(FilterError::NotFound));
        assert_eq!(filters.remove(*id), Err(FilterError::NotFound));
    }
    assert_eq!((filters.len(), filters.kept()), (0, (0, 0)));
}

/// What ten thousand filters cost beside ten: the same attempts on the same traffic.
#[test]
fn ten_thousand_filters_try_no_more_than_ten() {
    let traffic: Vec<_> = (0..40).map(|n| sealed(&shared(n), None, topic(n), b"hello", n.into())).collect();
    let run = |count: u32| {
        let mut filters = filters();
        let ids: Vec<_> = (0..count)
            .map(|n| filters.install(Filter { topics: [topic(n)].into(), ..Filter::of(shared(n)) }).unwrap())
            .collect();
        for envelope in &traffic[..10] {
            filters.offer(envelope, Arrival::Broadcast);
        }
        run_all(&mut filters);
        let got: Vec<_> = ids.iter().take(10).map(|id| filters.take(*id).unwrap().len()).collect();
        assert_eq!(got, [1; 10]);
        (filters.stats(), filters)
    };
    let (few, _) = run(10);
    let (many, mut filters) = run(10_000);
    assert_eq!(few, many);
    assert_eq!((few.candidates, few.trials, few.opened, few.delivered), (10, 10, 10, 10));

    // The same when all of them share topic and key: one attempt, ten thousand messages.
    let one = sealed(&shared(7), None, topic(70_000), b"hello", 99);
    for _ in 0..2_000 {
        filters.install(Filter { topics: [topic(70_000)].into(), ..Filter::of(shared(7)) }).unwrap();
    }
    filters.offer(&one, Arrival::Broadcast);
    run_all(&mut filters);
    let stats = filters.stats();
    assert_eq!(
        (stats.trials - many.trials, stats.delivered - many.delivered, filters.kept().0),
        (1, 2_000, 1)
    );
}

#[test]
fn many_keys_try_in_several_jobs_and_once_each() {
    let mut filters = filters();
    let ids: Vec<_> = (0..100).map(|n| filters.install(Filter::of(shared(n))).unwrap()).collect();
    let stranger = sealed(&shared(1_000), None, topic(1), b"hello", 1);
    filters.offer(&stranger, Arrival::Broadcast);
    let mut jobs = 0;
    while let Some(job) = filters.poll_job() {
        assert!(job.openers() <= MAX_TRIALS);
        assert!(filters.poll_job().is_none(), "an envelope is in one job");
        filters.job_done(job.run());
        jobs += 1;
    }
    assert_eq!((jobs, filters.stats().trials, filters.stats().opened), (4, 100, 0));

    // A job that fails counts as tried, and the next keys go on; its result comes too late.
    let known = sealed(&shared(3), None, topic(1), b"hello", 2);
    filters.offer(&known, Arrival::Broadcast);
    let failed = filters.poll_job().unwrap();
    filters.job_failed(failed.id());
    run_all(&mut filters);
    let late = failed.run();
    let lost = usize::from(late.opened.is_some());
    filters.job_done(late);
    let taken: usize = ids.iter().map(|id| filters.take(*id).unwrap().len()).sum();
    assert_eq!(taken + lost, 1);
    assert!(filters.running.is_empty() && filters.waiting.is_empty());
}

#[test]
fn an_envelope_is_for_those_who_were_there() {
    let mut filters = filters();
    let early = filters.install(Filter::of(shared(1))).unwrap();
    let gone = filters.install(Filter::of(shared(1))).unwrap();
    let envelope = sealed(&shared(1), None, topic(1), b"hello", 1);
    filters.offer(&envelope, Arrival::Broadcast);
    let late = filters.install(Filter::of(shared(1))).unwrap();
    let job = filters.poll_job().unwrap();
    filters.remove(gone).unwrap();
    filters.job_done(job.run());
    assert_eq!(payloads(&filters.take(early).unwrap()), [b"hello"]);
    assert_eq!(filters.take(late).unwrap(), []);
    // Nobody is left who could read it: no job.
    filters.offer(&envelope, Arrival::Broadcast);
    filters.remove(early).unwrap();
    filters.remove(late).unwrap();
    assert!(filters.poll_job().is_none());
}

#[test]
fn results_in_any_order_are_taken_in_the_order_of_arrival() {
    let mut filters = filters();
    let id = filters.install(Filter::of(shared(1))).unwrap();
    for n in 0..5 {
        filters.offer(
            &sealed(&shared(1), None, topic(n), &[u8::try_from(n).unwrap()], n.into()),
            Arrival::Broadcast,
        );
    }
    let mut jobs: Vec<_> = std::iter::from_fn(|| filters.poll_job()).collect();
    assert_eq!(jobs.len(), 5);
    while let Some(job) = jobs.pop() {
        filters.job_done(job.run());
    }
    assert_eq!(payloads(&filters.take(id).unwrap()), [&[0][..], &[1], &[2], &[3], &[4]]);
}

#[test]
fn direct_messages_have_their_own_work() {
    let mut filters = filters();
    let deaf = filters.install(Filter::of(shared(1))).unwrap();
    let pow = |least| Pow::new(least).unwrap();
    let take = Filter { direct: Direct::Taken, ..Filter::of(shared(1)) };
    let any = filters.install(take.clone()).unwrap();
    let envelope = sealed(&shared(1), None, topic(1), b"hello", 1);
    let work = pow_of(&envelope);
    let enough = filters.install(Filter { min_pow: pow(work), ..take.clone() }).unwrap();
    let more = filters.install(Filter { min_pow: pow(work * 1.01 + 0.1), ..take }).unwrap();
    // The same again is there once until it is taken.
    for round in 0..3 {
        filters.offer(&envelope, Arrival::Direct);
        filters.offer(&envelope, Arrival::Direct);
        run_all(&mut filters);
        let counts = [deaf, any, enough, more].map(|id| filters.take(id).unwrap().len());
        assert_eq!(counts, [0, 1, 1, 0], "round {round}");
    }
    assert_eq!(filters.kept(), (0, 0));
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut filters = filters();
    let zeros = FilterKey::Symmetric(Arc::new(Secret::new([0; 32])));
    let unknown = FilterKey::Asymmetric(KeyId::from_bytes([9; 32]));
    let topics = |from: u32, count: u32| (from..from + count).map(topic).collect::<BTreeSet<_>>();
    let many = Filter { topics: topics(0, 10_001), ..Filter::of(shared(1)) };
    let mut errors = vec![
        filters.install(Filter::of(zeros)).unwrap_err(),
        filters.install(Filter::of(unknown)).unwrap_err(),
        filters.install(many).unwrap_err(),
        filters.remove(FilterId(0)).unwrap_err(),
    ];
    assert_eq!((filters.len(), filters.index.len()), (0, 0));
    for n in 0..26 {
        filters.install(Filter { topics: topics(n * 10_000, 10_000), ..Filter::of(shared(1)) }).unwrap();
    }
    let over = Filter { topics: topics(0, 10_000), ..Filter::of(shared(1)) };
    errors.push(filters.install(over).unwrap_err());
    for _ in 26..MAX_FILTERS {
        filters.install(Filter::of(shared(1))).unwrap();
    }
    errors.push(filters.install(Filter::of(shared(1))).unwrap_err());
    let codes: Vec<_> = errors.iter().map(FilterError::code).collect();
    assert_eq!(
        codes,
        [
            "filter.invalid_key",
            "filter.unknown_key",
            "filter.too_many_topics",
            "filter.not_found",
            "filter.too_many_topics",
            "filter.too_many"
        ]
    );
    assert!(errors.iter().all(|error| error.fault() == FaultClass::Caller));
    for id in 0..u64::try_from(MAX_FILTERS).unwrap() {
        filters.remove(FilterId(id)).unwrap();
    }
    assert_eq!((filters.len(), filters.index.len()), (0, 0));
}

#[test]
fn what_waits_for_a_trial_is_bounded() {
    let mut filters = filters();
    filters.install(Filter::of(shared(1))).unwrap();
    let small = Envelope::new(Header { expiry: EXPIRY, ttl: 50, topic: topic(1) }, &[1; 40], 1);
    for _ in 0..MAX_INBOX + 10 {
        filters.offer(&small, Arrival::Broadcast);
    }
    assert_eq!((filters.waiting.len(), filters.stats().dropped), (MAX_INBOX, 10));
    let large = Envelope::new(Header { expiry: EXPIRY, ttl: 50, topic: topic(1) }, &vec![1; 1_000_000], 1);
    for _ in 0..80 {
        filters.offer(&large, Arrival::Broadcast);
    }
    assert!(filters.waiting_bytes <= MAX_INBOX_BYTES && filters.waiting.len() < 80);
    let jobs: Vec<_> = std::iter::from_fn(|| filters.poll_job()).collect();
    assert_eq!(jobs.len(), MAX_JOBS);
    drop(jobs);
    while let Some(work) = filters.pop_waiting() {
        drop(work);
    }
    assert_eq!(filters.waiting_bytes, 0);
}

fn message(n: u64, len: usize) -> Arc<Message> {
    let hash = crate::EnvelopeHash::from_bytes(keccak256(&n.to_be_bytes()));
    let header = Header { expiry: EXPIRY, ttl: 50, topic: topic(1) };
    let payload = vec![0; len];
    Arc::new(Message { header, hash, pow: 1.0, author: None, recipient: None, payload, padding: vec![] })
}

#[test]
fn what_is_kept_is_bounded() {
    // One filter by count, and the oldest goes.
    let mut store = Store::default();
    let more = 10;
    let dropped: u64 = (0..MAX_FILTER_MESSAGES as u64 + more)
        .map(|n| store.put(n, &message(n, 1), &[FilterId(1)]).dropped)
        .sum();
    let taken = store.take(FilterId(1));
    assert_eq!((dropped, taken.len(), taken[0].hash), (more, MAX_FILTER_MESSAGES, message(more, 1).hash));
    assert_eq!((store.kept(), store.places()), ((0, 0), 0));

    // One filter by bytes; another on the same messages likewise.
    let mib = 1 << 20;
    for n in 0..40 {
        store.put(n, &message(n, mib), &[FilterId(1), FilterId(2)]);
        assert!(store.kept().1 <= MAX_FILTER_BYTES);
    }
    assert_eq!(store.take(FilterId(2)).len(), 15);
    assert_eq!((store.kept().0, store.take(FilterId(1)).len()), (15, 15));

    // All of them by bytes: the oldest goes from whoever has it.
    for n in 0..200 {
        store.put(n, &message(n, mib), &[FilterId(n % 20)]);
        assert!(store.kept().1 <= MAX_KEPT_BYTES);
    }
    let left: usize = (0..20).map(|n| store.take(FilterId(n)).len()).sum();
    assert_eq!((left, store.kept()), (127, (0, 0)));

    // And by places.
    let all: Vec<_> = (0..10_000).map(FilterId).collect();
    for n in 0..40 {
        store.put(n, &message(n, 1), &all);
        assert!(store.places() <= MAX_KEPT_PLACES);
    }
    assert_eq!(store.kept().0, 26);
}

#[test]
fn nothing_secret_is_printed() {
    let mut filters = filters();
    let id = filters.install(Filter::of(shared(1))).unwrap();
    filters.offer(&sealed(&shared(1), None, topic(1), b"hello", 1), Arrival::Broadcast);
    let job = filters.poll_job().unwrap();
    let job_text = format!("{job:?}");
    let done = job.run();
    let done_text = format!("{done:?}");
    filters.job_done(done);
    let text = format!("{filters:?} {:?}", filters.filter(id).unwrap());
    let message = format!("{:?}", filters.take(id).unwrap());
    insta::assert_snapshot!([job_text, done_text, text, message].join("\n"), @r"
    OpenJob { id: OpenId(1), keys: 1, .. }
    OpenDone { id: OpenId(1), opened: true, .. }
    Filters { installed: 1, waiting: 0, running: 0, kept: 1, .. } Filter { key: Symmetric(Secret(32 bytes)), from: None, topics: {}, min_pow: Pow(0), direct: Ignored }
    [Message { header: Header { expiry: 1600000050, ttl: 50, topic: Topic(00000001) }, hash: EnvelopeHash(30edd08db782cc287d39bd20b55874e24446cccf76ef9224248d935281fc4ded), payload: 5 bytes, .. }]
    ");
}
