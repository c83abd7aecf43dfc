//! Addresses that are heard whatever the library thinks of them.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use discv5::Discv5;

use crate::limits::MAX_V5_PERMITS;

/// Addresses that the library may ask, exempt from its bans. The oldest goes when there are more than
/// [`MAX_V5_PERMITS`].
#[derive(Debug, Default)]
pub(super) struct Permits {
    known: BTreeSet<IpAddr>,
    order: VecDeque<IpAddr>,
}

impl Permits {
    pub(super) fn add(&mut self, discv5: &Discv5, ip: IpAddr) {
        if !self.known.insert(ip) {
            return;
        }
        discv5.permit_ip(ip);
        self.order.push_back(ip);
        let oldest = (self.order.len() > MAX_V5_PERMITS).then(|| self.order.pop_front()).flatten();
        if let Some(oldest) = oldest {
            self.known.remove(&oldest);
            discv5.permit_ip_remove(&oldest);
            discv5.ban_ip_remove(&oldest);
        }
    }
}
