//! UPnP.

use std::net::Ipv4Addr;
use std::time::Duration;

use undertone_nat::{Method, NatConfig, NatError, NatMode};
use undertone_support::until_async;

use crate::igd_router::{self, IgdRouter, Mood};
use crate::{LONG, OUTSIDE, config, numbers, start};

fn towards(router: &IgdRouter) -> NatConfig {
    let mut config = config(NatMode::Upnp);
    config.ssdp = router.ssdp();
    config
}

#[tokio::test]
async fn ports_are_mapped_renewed_and_given_back() {
    let router = igd_router::start(Mood::Good);
    let mut config = towards(&router);
    config.times.renew = Duration::from_millis(50);
    let running = start(config);
    let status = running.until_mapped().await;
    assert_eq!((status.method, status.external), (Some(Method::Upnp), Some(OUTSIDE.into())));
    assert_eq!((status.gateway, status.error), (Some(Ipv4Addr::LOCALHOST.into()), None));
    let tcp = router.state().mapped[&("TCP".to_owned(), 30_303)].clone();
    assert_eq!((tcp.client.as_str(), tcp.internal), ("127.0.0.1", 30_303));
    assert_eq!((tcp.lease, tcp.name.as_str()), (20 * 60, "undertone p2p"));
    assert!(until_async(LONG, || router.state().adds >= 6).await, "not renewed");
    assert_eq!(router.state().deletes, 0, "a renewal deletes nothing");
    running.stop().await;
    assert!(router.ports().is_empty());
}

#[tokio::test]
async fn a_taken_port_is_asked_for_under_another_number() {
    let router = igd_router::start(Mood::Good);
    router.state().taken.insert(30_303);
    let running = start(towards(&router));
    let status = running.until_mapped().await;
    assert!(numbers(&status)[0] > 1_024 && numbers(&status)[0] != 30_303, "{status:?}");
    assert_eq!((numbers(&status)[1], status.error), (30_304, None));
    running.stop().await;
    assert!(router.ports().is_empty());
}

#[tokio::test]
async fn odd_devices_are_humoured() {
    let router = igd_router::start(Mood::Good);
    router.state().jealous = true;
    router.state().endless = true;
    let mut config = towards(&router);
    config.times.renew = Duration::from_millis(50);
    let running = start(config);
    running.until_mapped().await;
    assert_eq!(router.state().mapped[&("TCP".to_owned(), 30_303)].lease, 0, "without an end, as it wants");
    assert!(until_async(LONG, || router.state().adds >= 6).await, "not renewed");
    assert_eq!(numbers(&running.status.borrow()), [30_303, 30_304], "the same numbers");
    running.stop().await;
    assert!(router.ports().is_empty(), "given back all the same");
}

#[tokio::test]
async fn a_second_nat_and_a_refusal_are_named() {
    let router = igd_router::start(Mood::Good);
    router.state().outside = Ipv4Addr::new(100, 64, 0, 9);
    let running = start(towards(&router));
    let status = running.until_mapped().await;
    assert_eq!((status.external, status.second_nat), (None, Some([100, 64, 0, 9].into())));
    router.state().outside = OUTSIDE;
    running
        .until("public", |status| status.external == Some(OUTSIDE.into()) && status.second_nat.is_none())
        .await;
    running.stop().await;

    let router = igd_router::start(Mood::Refusing(606));
    let running = start(towards(&router));
    running.until("refused", |status| status.error == Some(NatError::Refused { code: 606 })).await;
    router.state().mood = Mood::Good;
    router.state().outside = Ipv4Addr::UNSPECIFIED;
    running.until("no address", |status| status.error == Some(NatError::Unconnected)).await;
    running.stop().await;
}

#[tokio::test]
async fn a_description_that_points_elsewhere_is_not_followed() {
    hostile(Mood::Elsewhere, Later::NotNoticed).await;
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    hostile(Mood::Endless, Later::Noticed).await;
}

#[tokio::test]
async fn bytes_that_are_no_http_are_survived() {
    hostile(Mood::Garbage, Later::Noticed).await;
}

#[tokio::test]
async fn elements_within_elements_without_end_are_survived() {
    hostile(Mood::Nested, Later::Noticed).await;
}

#[tokio::test]
async fn a_device_that_says_nothing_is_given_up() {
    hostile(Mood::Tarpit, Later::Noticed).await;
}

#[tokio::test]
async fn a_device_that_comes_late_is_found() {
    hostile(Mood::Silent, Later::NotNoticed).await;
}

/// Whether a device that turns bad after it was found is noticed: only the search shows some of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Later {
    Noticed,
    NotNoticed,
}

/// A device that is bad, then good, then bad and good again.
async fn hostile(mood: Mood, later: Later) {
    let router = igd_router::start(mood);
    let running = start(towards(&router));
    let status = running.until("trouble", |status| status.error.is_some()).await;
    assert!(status.mapped.is_empty(), "{status:?}");
    router.state().mood = Mood::Good;
    running.until_mapped().await;
    router.state().mood = mood;
    if later == Later::Noticed {
        let status = running.until("trouble again", |status| status.error.is_some()).await;
        assert_eq!(status.mapped.len(), 2, "the leases still run");
    }
    router.state().mood = Mood::Good;
    running.until("well again", |status| status.error.is_none() && status.mapped.len() == 2).await;
    running.stop().await;
    assert!(router.ports().is_empty());
}
