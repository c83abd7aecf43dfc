//! NAT-PMP and PCP.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use undertone_base::Now;
use undertone_nat::{Method, NatConfig, NatError, NatMode};
use undertone_runtime::{Clock, Environment, ManualClock};
use undertone_support::until_async;

use crate::pmp_router::{Mood, PmpRouter, Speaks};
use crate::{LONG, OUTSIDE, config, numbers, pmp_router, start, start_in};

fn towards(router: &PmpRouter) -> NatConfig {
    let mut config = config(NatMode::Pmp(None));
    config.gateways = vec![router.address()];
    config
}

#[tokio::test]
async fn ports_are_mapped_renewed_and_given_back() {
    let cases = [(Speaks::NatPmp, Method::NatPmp), (Speaks::Pcp, Method::Pcp), (Speaks::Both, Method::Pcp)];
    for (speaks, method) in cases {
        let router = pmp_router::start(speaks);
        let mut config = towards(&router);
        config.times.renew = Duration::from_millis(50);
        let running = start(config);
        let status = running.until_mapped().await;
        assert_eq!((status.method, status.external), (Some(method), Some(OUTSIDE.into())), "{speaks:?}");
        assert_eq!((status.gateway, status.error), (Some(router.address().ip()), None));
        assert_eq!(numbers(&status), [30_303, 30_304]);
        assert_eq!(router.state().mapped[&30_303].lease, 20 * 60);
        let nonces: Vec<_> = router.state().mapped.values().map(|mapping| mapping.nonce).collect();
        assert_eq!(nonces[0] != nonces[1], method == Method::Pcp, "each mapping has its own");
        assert!(until_async(LONG, || router.state().grants >= 6).await, "{speaks:?}: not renewed");
        running.stop().await;
        assert!(router.ports().is_empty(), "{speaks:?}");
    }
}

#[tokio::test]
async fn lost_questions_are_asked_again() {
    for speaks in [Speaks::NatPmp, Speaks::Pcp] {
        let router = pmp_router::start(speaks);
        router.state().mood = Mood::Lossy;
        let mut config = towards(&router);
        config.times.search = LONG;
        config.times.request = LONG;
        config.times.goodbye = LONG;
        let running = start(config);
        assert_eq!(running.until_mapped().await.error, None);
        running.stop().await;
        assert!(router.ports().is_empty());
    }
}

#[tokio::test]
async fn after_a_sleep_of_the_machine_everything_is_asked_for_anew() {
    let router = pmp_router::start(Speaks::Pcp);
    let hand = ManualClock::new(Now::default());
    let env = Environment::fixed(1, Clock::manual(hand.clone()), BTreeMap::new());
    let running = start_in(&env, towards(&router));
    running.until_mapped().await;
    // The lease ran out while we slept; the router itself has not restarted.
    router.state().mapped.clear();
    hand.advance(Duration::from_secs(3_600));
    assert!(until_async(LONG, || router.ports().len() == 2).await, "not asked again");
    running.stop().await;
}

#[tokio::test]
async fn another_port_and_a_shorter_lease_are_taken_as_granted() {
    let router = pmp_router::start(Speaks::NatPmp);
    router.state().taken.insert(30_303);
    router.state().longest = 1;
    let running = start(towards(&router));
    let status = running.until_mapped().await;
    assert_eq!(numbers(&status), [30_304, 30_304], "TCP and UDP have numbers of their own");
    // A second is renewed after three quarters of it, although the renewal is in 15 minutes.
    assert!(until_async(LONG, || router.state().grants >= 6).await);
    assert_eq!(numbers(&running.status.borrow()), [30_304, 30_304]);
    running.stop().await;
    assert!(router.ports().is_empty());
}

#[tokio::test]
async fn a_taken_port_is_asked_for_under_another_number() {
    let router = pmp_router::start(Speaks::Pcp);
    router.state().taken.extend([30_303]);
    router.state().strict = true;
    let running = start(towards(&router));
    let status = running.until_mapped().await;
    assert!(numbers(&status)[0] > 1_024 && numbers(&status)[0] != 30_303, "{status:?}");
    assert_eq!((numbers(&status)[1], status.error), (30_304, None));
    running.stop().await;
    assert!(router.ports().is_empty());

    router.state().taken.extend(0..=u16::MAX);
    let running = start(towards(&router));
    running.until("no port is free", |status| status.error == Some(NatError::Conflict)).await;
    running.stop().await;
}

#[tokio::test]
async fn a_router_that_restarted_is_asked_again_at_once() {
    for speaks in [Speaks::NatPmp, Speaks::Pcp] {
        let router = pmp_router::start(speaks);
        let running = start(towards(&router));
        running.until_mapped().await;
        router.restart();
        assert!(until_async(LONG, || router.ports().len() == 2).await, "{speaks:?}: not mapped again");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_router_that_comes_late_or_goes_away_for_a_while_is_found() {
    let router = pmp_router::start(Speaks::Both);
    router.state().mood = Mood::Silent;
    let mut config = towards(&router);
    // The absence is noticed long before the leases end.
    config.times.request = Duration::from_secs(1);
    config.times.lease = Duration::from_secs(10);
    config.times.renew = Duration::from_millis(100);
    let running = start(config);
    running.until("nobody answers", |status| status.error == Some(NatError::NoRouter)).await;
    router.state().mood = Mood::Good;
    let status = running.until("mapped", |status| status.mapped.len() == 2 && status.error.is_none()).await;
    assert_eq!(status.external, Some(OUTSIDE.into()));

    router.state().mood = Mood::Silent;
    let status = running.until("the router is away", |status| status.error == Some(NatError::Timeout)).await;
    assert_eq!(status.mapped.len(), 2, "the leases still run");
    let status = running.until("the leases ended", |status| status.mapped.is_empty()).await;
    assert_eq!(status.external, None);

    router.restart();
    router.state().mood = Mood::Good;
    running.until("mapped again", |status| status.mapped.len() == 2 && status.error.is_none()).await;
    running.stop().await;
    assert!(router.ports().is_empty());
}

#[tokio::test]
async fn a_short_absence_does_not_cost_the_mapping_of_pcp() {
    let router = pmp_router::start(Speaks::Pcp);
    let running = start(towards(&router));
    running.until_mapped().await;
    let before = router.state().mapped.clone();
    router.state().mood = Mood::Silent;
    running.until("the router is away", |status| status.error.is_some()).await;
    router.state().mood = Mood::Good;
    running.until("the router is back", |status| status.error.is_none()).await;
    assert_eq!(router.state().mapped, before, "the same ports under the same nonces");
    running.stop().await;
    assert!(router.ports().is_empty());
}

#[tokio::test]
async fn an_address_behind_a_second_nat_is_not_offered() {
    for ip in [[100, 64, 0, 9], [192, 168, 1, 2], [198, 18, 0, 1]] {
        for speaks in [Speaks::NatPmp, Speaks::Pcp] {
            let router = pmp_router::start(speaks);
            router.state().outside = ip.into();
            let running = start(towards(&router));
            let status = running.until_mapped().await;
            assert_eq!((status.external, status.second_nat), (None, Some(ip.into())));
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn a_new_outer_address_is_noticed() {
    let router = pmp_router::start(Speaks::NatPmp);
    let running = start(towards(&router));
    running.until_mapped().await;
    let other = Ipv4Addr::new(11, 0, 0, 77);
    router.state().outside = other;
    running.until("another address", |status| status.external == Some(other.into())).await;
    running.stop().await;

    let router = pmp_router::start(Speaks::Pcp);
    let mut config = towards(&router);
    config.times.renew = Duration::from_millis(50);
    let running = start(config);
    running.until_mapped().await;
    router.state().outside = other;
    running.until("another address", |status| status.external == Some(other.into())).await;
    running.stop().await;
}

#[tokio::test]
async fn a_router_without_an_address_or_permission_is_named() {
    let router = pmp_router::start(Speaks::NatPmp);
    router.state().outside = Ipv4Addr::UNSPECIFIED;
    let running = start(towards(&router));
    running.until("no address", |status| status.error == Some(NatError::Unconnected)).await;
    running.stop().await;

    for speaks in [Speaks::NatPmp, Speaks::Pcp, Speaks::Both] {
        let router = pmp_router::start(speaks);
        router.state().mood = Mood::Refusing(2);
        let running = start(towards(&router));
        let refused = Some(NatError::Refused { code: 2 });
        let status = running.until("refused", |status| status.error == refused).await;
        assert!(status.mapped.is_empty() && status.external.is_none());
        router.state().mood = Mood::Good;
        running.until_mapped().await;
        running.stop().await;
    }
}

#[tokio::test]
async fn nonsense_is_bounded_and_survived() {
    for (mood, before) in [(Mood::Babbling, false), (Mood::Nothing, false), (Mood::Babbling, true)] {
        let router = pmp_router::start(Speaks::Both);
        if !before {
            router.state().mood = mood;
        }
        let running = start(towards(&router));
        if before {
            running.until_mapped().await;
            router.state().mood = mood;
        }
        running.until("nonsense", |status| status.error.is_some()).await;
        let status = running.status.borrow().clone();
        assert_eq!(status.mapped.len(), if before { 2 } else { 0 }, "{mood:?}");
        router.state().mood = Mood::Good;
        running.until("sense", |status| status.mapped.len() == 2 && status.error.is_none()).await;
        running.stop().await;
        assert!(router.ports().is_empty());
    }
}

#[tokio::test]
async fn the_stop_waits_for_a_dead_router_no_longer_than_said() {
    for mapped in [false, true] {
        let router = pmp_router::start(Speaks::Both);
        router.state().mood = if mapped { Mood::Good } else { Mood::Silent };
        let mut config = towards(&router);
        config.times.search = LONG;
        config.times.request = LONG;
        config.times.goodbye = Duration::from_millis(200);
        let running = start(config);
        if mapped {
            running.until_mapped().await;
        }
        router.state().mood = Mood::Silent;
        let asked = router.state().questions;
        assert!(until_async(LONG, || router.state().questions > asked).await);
        let begun = Instant::now();
        running.stop().await;
        assert!(begun.elapsed() < LONG / 2, "not the time of a request: {:?}", begun.elapsed());
    }
}
