//! Every help text, as it is printed.

use crate::{run, undertone};

fn help(args: &[&str]) -> String {
    run(undertone().args(args).arg("--help")).expect(0).out
}

macro_rules! pinned {
    ($($name:ident: $args:expr;)+) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), help(&$args));
        }
    )+};
}

pinned! {
    root: [];
    demo: ["demo"];
    account: ["account"];
    account_new: ["account", "new"];
    account_import: ["account", "import"];
    account_show: ["account", "show"];
    account_list: ["account", "list"];
    account_export: ["account", "export"];
    account_password: ["account", "password"];
    account_profile: ["account", "profile"];
    account_backup: ["account", "backup"];
    account_restore: ["account", "restore"];
    contacts: ["contacts"];
    contacts_add: ["contacts", "add"];
    contacts_decline: ["contacts", "decline"];
    contacts_pfs: ["contacts", "pfs"];
    contacts_scan: ["contacts", "scan"];
    verify: ["verify"];
    devices: ["devices"];
    devices_enable: ["devices", "enable"];
    devices_pair: ["devices", "pair"];
    node: ["node"];
    send: ["send"];
    listen: ["listen"];
    bootnode: ["bootnode"];
    peers: ["peers"];
    peers_add: ["peers", "add"];
    peers_ban: ["peers", "ban"];
    peers_unban: ["peers", "unban"];
    dns: ["dns"];
    dns_sign: ["dns", "sign"];
    dns_list: ["dns", "list"];
    dns_show: ["dns", "show"];
    doctor: ["doctor"];
}

#[test]
fn the_version_is_the_packages() {
    let out = run(undertone().arg("--version")).expect(0).out;
    assert_eq!(out, format!("undertone {}\n", env!("CARGO_PKG_VERSION")));
}
