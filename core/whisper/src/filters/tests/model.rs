//! Filters against geth's loop over a list, in any order of calls and results.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

/// The sealed envelopes of the model test: by key (0, 1 shared; 2, 3 pairs; 4 nobody's), author and topic.
fn palette() -> &'static Vec<Sample> {
    static PALETTE: OnceLock<Vec<Sample>> = OnceLock::new();
    PALETTE.get_or_init(|| {
        let mut out = Vec::new();
        for key in 0..5u8 {
            for author in [None, Some(0), Some(1)] {
                for on in 0..3 {
                    let nonce = out.len() as u64;
                    let envelope = sealed(&model_key(key), author, topic(on), &[key, 1], nonce);
                    out.push(Sample { pow: pow_of(&envelope), envelope, key, author, on });
                }
            }
        }
        out
    })
}

struct Sample {
    envelope: Envelope,
    key: u8,
    author: Option<u8>,
    on: u32,
    pow: f64,
}

fn model_key(n: u8) -> FilterKey {
    match n {
        0 | 1 => shared(n.into()),
        2 | 3 => asymmetric(n),
        _ => shared(1_000),
    }
}

/// A filter in numbers: key, author, topics, whether it asks for work, whether it takes direct messages.
type Wish = (u8, Option<u8>, Vec<u32>, bool, bool);

#[derive(Clone, Debug)]
enum Op {
    Install(Wish),
    Remove(usize),
    Take(usize),
    Offer(usize, bool),
    /// Starts a job.
    Start,
    /// Ends one of those that run.
    Finish(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let wish = (
        0u8..4,
        prop::option::of(0u8..2),
        prop::collection::vec(0u32..3, 0..3),
        any::<bool>(),
        any::<bool>(),
    );
    let op = prop_oneof![
        3 => wish.prop_map(Op::Install),
        1 => any::<usize>().prop_map(Op::Remove),
        2 => any::<usize>().prop_map(Op::Take),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, direct)| Op::Offer(which, direct)),
        4 => Just(Op::Start),
        4 => any::<usize>().prop_map(Op::Finish),
    ];
    prop::collection::vec(op, 1..60)
}

/// The least work that a filter asks for, if it does: some samples have it.
const WORK: f64 = 0.000_4;

/// geth's loop, over a list.
#[derive(Default)]
struct Model {
    filters: Vec<(FilterId, Wish, Vec<usize>)>,
}

impl Model {
    /// Whom an envelope reaches; `had` says who was there when it came.
    fn deliver(&mut self, sample: usize, direct: bool, before: FilterId) {
        let Sample { key, author, on, pow, .. } = palette()[sample];
        for (id, (of, from, topics, work, takes_direct), kept) in &mut self.filters {
            let candidate =
                *id < before && (topics.is_empty() || topics.contains(&on)) && (!direct || *takes_direct);
            let opens = *of == key && (!*work || pow >= WORK);
            let by = from.is_none() || *from == author;
            if candidate && opens && by && !kept.contains(&sample) {
                kept.push(sample);
            }
        }
    }
}

/// What was taken: from which filter, which payloads.
type Log = Vec<(FilterId, Vec<Vec<u8>>)>;

struct Run {
    filters: Filters,
    model: Model,
    ids: Vec<FilterId>,
    /// What is offered and not delivered: sample, how, who was there.
    pending: BTreeMap<u64, (usize, bool, FilterId)>,
    jobs: Vec<OpenJob>,
    log: Log,
}

impl Run {
    fn new() -> Self {
        let (filters, model) = (filters(), Model::default());
        Self { filters, model, ids: vec![], pending: BTreeMap::new(), jobs: vec![], log: vec![] }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Install(wish) => self.install(wish),
            Op::Remove(which) => {
                let Some(id) = pick(&self.ids, *which) else { return };
                let there = self.model.filters.iter().any(|(known, ..)| *known == id);
                assert_eq!(self.filters.remove(id).is_ok(), there);
                self.model.filters.retain(|(known, ..)| *known != id);
            }
            Op::Take(which) => self.take(*which),
            Op::Offer(which, direct) => {
                let sample = which % palette().len();
                let how = if *direct { Arrival::Direct } else { Arrival::Broadcast };
                let arrival = self.filters.next_arrival;
                self.filters.offer(&palette()[sample].envelope, how);
                if self.filters.next_arrival > arrival {
                    self.pending.insert(arrival, (sample, *direct, FilterId(self.filters.next_filter)));
                }
            }
            Op::Start => self.jobs.extend(self.filters.poll_job()),
            Op::Finish(which) => {
                if !self.jobs.is_empty() {
                    let job = self.jobs.remove(which % self.jobs.len());
                    self.finish(job);
                }
            }
        }
    }

    fn install(&mut self, wish: &Wish) {
        let (key, from, topics, work, direct) = wish.clone();
        let filter = Filter {
            from: from.map(|n| pair(n).public()),
            topics: topics.into_iter().map(topic).collect(),
            min_pow: if work { Pow::new(WORK).unwrap() } else { Pow::ZERO },
            direct: if direct { Direct::Taken } else { Direct::Ignored },
            ..Filter::of(model_key(key))
        };
        let id = self.filters.install(filter).unwrap();
        self.ids.push(id);
        self.model.filters.push((id, wish.clone(), vec![]));
    }

    fn finish(&mut self, job: OpenJob) {
        let arrival = self.filters.running[&job.id()].work.arrival;
        let (sample, direct, before) = self.pending[&arrival];
        self.model.deliver(sample, direct, before);
        self.filters.job_done(job.run());
    }

    fn take(&mut self, which: usize) {
        let Some(id) = pick(&self.ids, which) else { return };
        let expected = self.model.filters.iter_mut().find(|(known, ..)| *known == id);
        let got = self.filters.take(id);
        let Some((_, _, kept)) = expected else {
            assert_eq!(got, Err(FilterError::NotFound));
            return;
        };
        let got = got.unwrap();
        let mut hashes: Vec<_> = got.iter().map(|message| message.hash).collect();
        let mut expected: Vec<_> = kept.drain(..).map(|sample| palette()[sample].envelope.hash()).collect();
        self.log.push((id, got.iter().map(|message| message.payload.clone()).collect()));
        hashes.sort_unstable();
        expected.sort_unstable();
        assert_eq!(hashes, expected);
    }

    /// All work done, all filters read.
    fn end(mut self) -> (Log, Stats) {
        loop {
            self.step(&Op::Start);
            if self.jobs.is_empty() {
                break;
            }
            self.step(&Op::Finish(0));
        }
        for which in 0..self.ids.len() {
            self.take(which);
        }
        assert_eq!(self.filters.kept(), (0, 0));
        assert_eq!(
            (self.filters.waiting.len(), self.filters.waiting_bytes, self.filters.running.len()),
            (0, 0, 0)
        );
        (self.log, self.filters.stats())
    }
}

fn pick(ids: &[FilterId], which: usize) -> Option<FilterId> {
    ids.get(which.checked_rem(ids.len())?).copied()
}

proptest! {
    #[test]
    fn filters_are_those_of_the_model(ops in ops()) {
        let some = palette().iter().filter(|sample| sample.pow >= WORK).count();
        prop_assert!((5..40).contains(&some), "{} samples have the work", some);
        let run = || {
            let mut run = Run::new();
            ops.iter().for_each(|op| run.step(op));
            run.end()
        };
        let (log, stats) = run();
        prop_assert_eq!(run(), (log, stats), "same inputs, same outputs");
        // A key tries an envelope once; there are four.
        prop_assert!(stats.trials <= 4 * stats.candidates);
        prop_assert_eq!((stats.dropped, stats.untaken), (0, 0));
    }
}
