//! Both ways at once.

use undertone_nat::{Method, NatConfig, NatError, NatMode};

use crate::igd_router::IgdRouter;
use crate::pmp_router::{PmpRouter, Speaks};
use crate::{config, igd_router, pmp_router, start};

fn towards(pmp: &PmpRouter, igd: &IgdRouter) -> NatConfig {
    let mut config = config(NatMode::Any);
    config.gateways = vec![pmp.address()];
    config.ssdp = igd.ssdp();
    config
}

#[tokio::test]
async fn one_of_both_is_used_and_the_other_left_alone() {
    let (pmp, igd) = (pmp_router::start(Speaks::Both), igd_router::start(igd_router::Mood::Good));
    let running = start(towards(&pmp, &igd));
    let status = running.until_mapped().await;
    let mapped = (pmp.ports().len(), igd.ports().len());
    let expected = if status.method == Some(Method::Upnp) { (0, 2) } else { (2, 0) };
    assert_eq!(mapped, expected, "{status:?}");
    running.stop().await;
    assert!(pmp.ports().is_empty() && igd.ports().is_empty());
}

#[tokio::test]
async fn whichever_is_there_is_found() {
    let (pmp, igd) = (pmp_router::start(Speaks::NatPmp), igd_router::start(igd_router::Mood::Silent));
    let running = start(towards(&pmp, &igd));
    assert_eq!(running.until_mapped().await.method, Some(Method::NatPmp));
    running.stop().await;

    pmp.state().mood = pmp_router::Mood::Silent;
    igd.state().mood = igd_router::Mood::Good;
    let running = start(towards(&pmp, &igd));
    assert_eq!(running.until_mapped().await.method, Some(Method::Upnp));
    running.stop().await;
}

#[tokio::test]
async fn the_other_one_is_asked_when_the_first_refuses() {
    let (pmp, igd) = (pmp_router::start(Speaks::Both), igd_router::start(igd_router::Mood::Good));
    pmp.state().mood = pmp_router::Mood::Refusing(2);
    let running = start(towards(&pmp, &igd));
    let status = running.until_mapped().await;
    assert_eq!((status.method, status.error), (Some(Method::Upnp), None));
    running.stop().await;

    igd.state().mood = igd_router::Mood::Refusing(606);
    let running = start(towards(&pmp, &igd));
    let status = running.until("both refuse", |status| status.error.is_some()).await;
    assert!(matches!(status.error, Some(NatError::Refused { .. })), "{status:?}");
    pmp.state().mood = pmp_router::Mood::Good;
    assert_eq!(running.until_mapped().await.method, Some(Method::Pcp));
    running.stop().await;
}
