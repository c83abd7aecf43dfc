//! Machines that read lists, and the questions that they ask.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, sleep_until};
use undertone_base::{Mono, Now, Unix};
use undertone_devp2p::dnsdisc::{Link, QueryId, TreeEvent, TreeSync, TxtRecord};

use super::Asker;
use crate::limits::MAX_DNS_TREES;

struct Answer {
    tree: usize,
    id: QueryId,
    records: Option<Vec<TxtRecord>>,
}

type Question = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// At most [`MAX_DNS_TREES`] lists. The machines only need time that goes on, which is tokio's here, so that tests can
/// stop it.
pub(super) struct Pump {
    asker: Asker,
    start: Instant,
    trees: Vec<TreeSync>,
    questions: Vec<Question>,
}

impl Pump {
    pub(super) fn new(asker: Asker) -> Self {
        Self { asker, start: Instant::now(), trees: Vec::new(), questions: Vec::new() }
    }

    /// Begins to read a list, unless another is read under its name, or there are too many. `seen` is the highest
    /// number known of it.
    pub(super) fn add(&mut self, link: Link, seen: u64) {
        let same = |tree: &&TreeSync| tree.link().domain() == link.domain();
        match self.trees.iter().find(same) {
            Some(tree) if *tree.link() == link => {}
            Some(_) => {
                let code = "dns.conflict";
                tracing::warn!(
                    domain = link.domain(),
                    code,
                    "two keys claim one node list: the first is read"
                );
            }
            None if self.trees.len() >= MAX_DNS_TREES => {
                tracing::debug!(domain = link.domain(), code = "dns.too_many_lists", "node list left out");
            }
            None => {
                let now = self.now();
                self.trees.push(TreeSync::new(link, seen, now));
            }
        }
    }

    /// The next event and the list that it is of. Never ends. May be cancelled: nothing is lost.
    pub(super) async fn next(&mut self) -> (Link, TreeEvent) {
        loop {
            let now = self.now();
            for (index, tree) in self.trees.iter_mut().enumerate() {
                tree.handle_timeout(now);
                if let Some(event) = tree.poll_event() {
                    return (tree.link().clone(), event);
                }
                while let Some(query) = tree.poll_query(now) {
                    let asker = self.asker.clone();
                    self.questions.push(Box::pin(async move {
                        let records = asker.txt(&query.name).await;
                        Answer { tree: index, id: query.id, records }
                    }));
                }
            }
            let due = self.trees.iter().filter_map(TreeSync::poll_timeout).min();
            let answer = tokio::select! {
                biased;
                answer = any(&mut self.questions) => Some(answer),
                () = wait(self.start, due) => None,
            };
            let now = self.now();
            if let Some(Answer { tree, id, records }) = answer
                && let Some(tree) = self.trees.get_mut(tree)
            {
                tree.handle_answer(now, id, records.as_deref());
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: Mono::ZERO.after(self.start.elapsed()), unix: Unix::default() }
    }
}

async fn wait(start: Instant, due: Option<Mono>) {
    match due.and_then(|due| start.checked_add(due.since(Mono::ZERO))) {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The first answer that comes. There are few questions: three of each list, and those that were given up less than
/// five seconds ago.
async fn any(questions: &mut Vec<Question>) -> Answer {
    poll_fn(|cx| {
        for index in 0..questions.len() {
            let Some(question) = questions.get_mut(index) else { break };
            if let Poll::Ready(answer) = question.as_mut().poll(cx) {
                drop(questions.swap_remove(index));
                return Poll::Ready(answer);
            }
        }
        Poll::Pending
    })
    .await
}
