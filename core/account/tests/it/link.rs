//! Links: every form of the table, what is refused, and properties.

use std::collections::BTreeSet;

use proptest::prelude::*;
use undertone_account::key_text::{self, KeyTextError};
use undertone_account::link::{self, ChatName, EnsName, GroupInvite, Link, LinkError, WebUrl, Who};
use undertone_base::FaultClass;
use undertone_crypto::{KeyError, PublicKey, SecretKey};
use undertone_support::rng;
use undertone_vectors::load;

use crate::{list, text};

fn key(seed: u64) -> PublicKey {
    SecretKey::random(&mut rng(seed)).public()
}

fn name(text: &str) -> Who {
    Who::Name(EnsName::parse(text).unwrap())
}

fn chat(text: &str) -> Link {
    Link::PublicChat(ChatName::parse(text).unwrap())
}

fn page(text: &str) -> Link {
    Link::Browser(WebUrl::parse(text).unwrap())
}

const UUID: &str = "8e1a2a0c-5c43-4a7e-9c4f-3f2b8a6f1d10";

#[test]
fn every_form_of_the_table_is_read() {
    let alice = key(1);
    let hex = alice.to_hex();
    let group_id = format!("{UUID}-{hex}");
    let group = GroupInvite::new(alice, &group_id, "Chess & tea").unwrap();
    let paths: Vec<(String, Link)> = vec![
        (format!("u/{hex}"), Link::Profile(Who::Key(alice))),
        (format!("user/{hex}"), Link::Profile(Who::Key(alice))),
        (format!("u/{}", key_text::chat_key(&alice)), Link::Profile(Who::Key(alice))),
        (format!("u/0x{}", hex[2..].to_uppercase()), Link::Profile(Who::Key(alice))),
        ("u/Alice".into(), Link::Profile(name("alice.stateofus.eth"))),
        ("user/alice.eth/".into(), Link::Profile(name("alice.eth"))),
        (format!("p/{hex}"), Link::OneToOne(Who::Key(alice))),
        (format!("pm/{hex}"), Link::OneToOne(Who::Key(alice))),
        ("p/alice".into(), Link::OneToOne(name("alice"))),
        ("status".into(), chat("status")),
        ("status/".into(), chat("status")),
        ("Status".into(), chat("Status")),
        ("chat/public/status".into(), chat("status")),
        ("chat/public/user".into(), chat("user")),
        ("chat/public/%D0%BC%D0%B8%D1%80".into(), chat("мир")),
        (format!("g/args?a={hex}&a1=Chess+%26%20tea&a2={group_id}"), Link::Group(group.clone())),
        (format!("g?a2={group_id}&a={hex}&a1=Chess%20%26+tea"), Link::Group(group)),
        ("b/www.example.org/x?a=b#c".into(), page("https://www.example.org/x?a=b#c")),
        ("browser/http://example.org".into(), page("http://example.org")),
        ("browse/HTTPS%3A%2F%2FExample.org%2Fx".into(), page("https://example.org/x")),
    ];
    let origins = [
        "https://join.status.im/",
        "http://join.status.im/",
        "https://www.join.status.im/",
        "HTTPS://Join.Status.IM/",
        "https://get.status.im/",
        "http://www.get.status.im/",
        "status-im://",
        "status-im:",
        "status-im:///",
        "STATUS-IM://",
    ];
    let mut read = 0;
    for origin in origins {
        for (path, want) in &paths {
            let link = format!("{origin}{path}");
            assert_eq!(Link::parse(&link).as_ref(), Ok(want), "{link}");
            read += 1;
        }
    }
    assert_eq!(read, 200);
}

#[test]
fn newer_links_and_bare_keys_are_read() {
    let alice = key(1);
    let (hex, z) = (alice.to_hex(), key_text::chat_key(&alice));
    let profile = Link::Profile(Who::Key(alice));
    let mut read = 0;
    for link in [
        hex.clone(),
        z.clone(),
        format!("https://status.app/u#{z}"),
        format!("https://status.app/u/#{z}"),
        format!("http://www.status.app/u#{z}"),
        format!(
            "https://status.app/u/G10A4B0JdgwyRww90WXtnP1oNH1ZLQNM0yX0Ja9YyAMjrqSZIYINOHCbFhrnKRAcPGStPxCMJDSZlGCKzmZrJcimHY8BbcXlORrElv_BbQEegnMDPx1g9C5VVNl0fE4ywgIA#{z}"
        ),
        format!("https://status.app/u/{hex}"),
        format!("https://status.app/u/{z}"),
    ] {
        assert_eq!(Link::parse(&link).as_ref(), Ok(&profile), "{link}");
        read += 1;
    }
    assert_eq!(read, 8);
    assert_eq!(Link::parse("https://status.app/u#alice.eth"), Ok(Link::Profile(name("alice.eth"))));
}

#[test]
fn every_key_of_the_vectors_is_shared_and_read() {
    let file = load("identity");
    let mut cases = 0;
    for case in list(&file["visual_identity"]) {
        let key = PublicKey::from_hex(text(&case["id"])).unwrap();
        let want = Link::Profile(Who::Key(key));
        assert_eq!(link::profile(&key), format!("https://join.status.im/u/{}", text(&case["id"])));
        let short = format!("https://status.app/u#{}", text(&case["compressed_multibase_z"]));
        assert_eq!(link::short_profile(&key), short);
        for made in [link::profile(&key), link::short_profile(&key)] {
            assert_eq!(Link::parse(&made).as_ref(), Ok(&want));
        }
        cases += 1;
    }
    assert_eq!(cases, 28);
}

#[test]
fn keys_of_the_vectors_are_judged_in_links_too() {
    let file = load("identity");
    let (mut cases, mut accepted) = (0, 0);
    for case in list(&file["uncompressed_key_cases"]) {
        let accept = case["expect"] == "accept";
        for form in ["status-im://u/0x", "https://join.status.im/p/0x", "https://status.app/u#0x", "0x"] {
            let link = format!("{form}{}", text(&case["key"]));
            assert_eq!(Link::parse(&link).is_ok(), accept, "{}", case["what"]);
            cases += 1;
            accepted += usize::from(accept);
        }
    }
    assert_eq!((cases, accepted), (52, 8));
}

#[test]
fn what_is_no_link_is_refused_with_its_reason() {
    use LinkError::{
        ChatName, EnsName, Extra, Form, Group, Host, Percent, TooLong, Unsupported, WebUrl as Web,
    };
    let hex = key(1).to_hex();
    let z = key_text::chat_key(&key(1));
    let id = format!("{UUID}-{hex}");
    let join = |path: &str| format!("https://join.status.im/{path}");
    let form = LinkError::Key(KeyTextError::Key(KeyError::Form));
    let cases: Vec<(String, LinkError)> = vec![
        (String::new(), Host),
        ("status".into(), Host),
        ("mailto:a@b.c".into(), Host),
        ("https://".into(), Host),
        ("https://example.org/u/alice".into(), Host),
        ("https://join.status.im.example.org/u/alice".into(), Host),
        ("https://join.status.im@example.org/u/alice".into(), Host),
        ("https://join.status.im:8443/u/alice".into(), Host),
        ("https://evil-join.status.im/u/alice".into(), Host),
        ("https:/join.status.im/u/alice".into(), Host),
        (join(""), Form),
        (join("u"), Form),
        (join("u/"), Form),
        (join("chat"), Form),
        (join("chat/public"), Form),
        (join("chat/private/x"), Form),
        (join("a/b"), Form),
        (join("u/alice/bob"), Form),
        (join("u/alice/bob/c/d/e"), Form),
        (join("u/al ice"), Form),
        (join("u/alice\n"), Form),
        (join("u//"), EnsName),
        (join("u/al..ice"), EnsName),
        (join("u/.eth"), EnsName),
        (join("u/аlice"), EnsName),
        (join("u/%61lice"), EnsName),
        (join(&format!("u/{}", "a".repeat(64))), EnsName),
        (join(&format!("u/{}.eth", "a.".repeat(125))), EnsName),
        (join("u/alice?x=1"), Extra),
        (join("u/alice#x"), Extra),
        (join("status#x"), Extra),
        (join("status?utm=1"), Extra),
        (join("u/0x"), form),
        (join(&format!("u/{}", &hex[..hex.len() - 1])), form),
        (join(&format!("u/{hex}0")), form),
        (join(&format!("u/0X{}", &hex[2..])), form),
        (join(&format!("u/{}", key_text::compressed_hex(&key(1)))), form),
        (join(&format!("u/{}", &z[..48])), LinkError::Key(key_text::parse(&z[..48]).unwrap_err())),
        (join("a%zz"), Percent),
        (join("a%f"), Percent),
        (join("%ff"), Percent),
        (join("a%20b"), ChatName),
        (join("a%2Fb"), ChatName),
        (join("a%00"), ChatName),
        (join("a%E2%80%AEb"), ChatName),
        (join(&"a".repeat(129)), ChatName),
        (join(&hex), ChatName),
        (join(&z), ChatName),
        (join(".."), ChatName),
        (join("g/args"), Form),
        (join(&format!("g/args?a={hex}&a1=x")), Form),
        (join(&format!("g/args?a={hex}&a2={id}")), Form),
        (join(&format!("g/args?a1=x&a2={id}")), Form),
        (join(&format!("g/args?a={hex}&a1&a2={id}")), Form),
        (join(&format!("g/args?a={hex}&a={hex}&a1=x&a2={id}")), Extra),
        (join(&format!("g/args?a={hex}&a1=x&a2={id}&a3=x")), Extra),
        (join(&format!("g/args?a={z}&a1=x&a2={UUID}")), Group),
        (join(&format!("g/args?a={hex}&a1=&a2={id}")), Group),
        (join(&format!("g/args?a={hex}&a1=x%E2%80%AEy&a2={id}")), Group),
        (join(&format!("g/args?a={hex}&a1={}&a2={id}", "x".repeat(129))), Group),
        (join(&format!("g/args?a={hex}&a1=x&a2={hex}")), Group),
        (join(&format!("g/args?a={hex}&a1=x&a2=-{hex}")), Group),
        (join(&format!("g/args?a={hex}&a1=x&a2={}-{hex}", "a".repeat(200))), Group),
        (join(&format!("g/args?a={}&a1=x&a2={id}", &hex[..100])), form),
        (join("b/"), Web),
        (join("b/javascript:alert(1)"), Web),
        (join("b/data:text/html,x"), Web),
        (join("b/file:///etc/passwd"), Web),
        (join("b/ftp://example.org/"), Web),
        (join("b/https://status.im@example.org/"), Web),
        (join("b/https://example.org:99999/"), Web),
        (join("b/https://example.org:/"), Web),
        (join("b/https://exаmple.org/"), Web),
        (join("b/https://example.org\\@status.im/"), Web),
        (join("b/https:///x"), Web),
        (join("b/https%3A%2F%2Fexample.org%2F%0D%0A"), Web),
        (join(&format!("b/{}", "a".repeat(3_000))), TooLong),
        ("https://status.app/c/abc#zQ3sh".into(), Unsupported),
        ("https://status.app/cc/abc#zQ3sh".into(), Unsupported),
        ("https://status.app/u".into(), Form),
        ("https://status.app/u/alice".into(), Form),
        ("https://status.app/status".into(), Form),
        (format!("https://status.app/u/a+b#{z}"), Form),
        ("https://status.app/u/abc#alice".into(), form),
        (format!("https://status.app/u?x#{z}"), Extra),
    ];
    let count = cases.len();
    let mut reasons = BTreeSet::new();
    for (link, want) in cases {
        let got = Link::parse(&link);
        assert_eq!(got, Err(want), "{link:.200}");
        reasons.insert(want.code());
    }
    assert_eq!(count, 85);
    for error in [ChatName, EnsName, Extra, Form, Group, Host, Percent, TooLong, Unsupported, Web] {
        assert!(reasons.contains(error.code()), "{error:?} has a case");
        assert!(matches!(error.fault(), FaultClass::Peer(_)));
    }
}

#[test]
fn words_of_the_table_are_shared_in_the_long_form() {
    for word in ["b", "browse", "browser", "chat", "g", "p", "pm", "u", "user"] {
        let made = link::public_chat(&ChatName::parse(word).unwrap());
        assert_eq!(made, format!("https://join.status.im/chat/public/{word}"));
        assert_eq!(Link::parse(&made), Ok(chat(word)));
    }
}

fn any_link() -> impl Strategy<Value = Link> {
    let who = prop_oneof![
        any::<u64>().prop_map(|seed| Who::Key(key(seed))),
        "[a-zA-Z0-9_-]{1,30}(\\.[a-z0-9]{1,9}){0,3}(\\.eth)?"
            .prop_filter_map("looks like a key", |text| EnsName::parse(&text).ok().map(Who::Name)),
    ];
    prop_oneof![
        who.clone().prop_map(Link::Profile),
        who.prop_map(Link::OneToOne),
        "[\\p{L}\\p{N}._-]{1,30}"
            .prop_filter_map("no name", |text| ChatName::parse(&text).ok().map(Link::PublicChat)),
        (any::<u64>(), any::<u64>(), "[!-~]{1,36}", "\\PC{1,30}").prop_filter_map(
            "no group",
            |(admin, creator, prefix, name)| {
                let id = format!("{prefix}-{}", key(creator));
                GroupInvite::new(key(admin), &id, &name).ok().map(Link::Group)
            }
        ),
        "(https?://)?[a-z0-9]{1,9}(\\.[a-z]{2,5}){1,3}(:[1-9][0-9]{0,3})?(/[!-~]{0,40})?"
            .prop_filter_map("no page", |text| WebUrl::parse(&text).ok().map(Link::Browser)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_made_is_read_as_the_same(link in any_link()) {
        let made = link.to_string();
        prop_assert!(made.is_ascii());
        prop_assert_eq!(Link::parse(&made), Ok(link));
    }

    #[test]
    fn reading_links_never_panics(
        text in "((https?://)?(www\\.)?(join\\.status\\.im|get\\.status\\.im|status\\.app)|status-im:/{0,3})?\
                 /?(u|p|pm|user|chat/public|g|b|browse|c)?[/?#]?\\PC{0,60}",
    ) {
        if let Ok(link) = Link::parse(&text) {
            prop_assert_eq!(Link::parse(&link.to_string()), Ok(link), "{}", text);
        }
        let _ = (Who::parse(&text), EnsName::parse(&text), ChatName::parse(&text), WebUrl::parse(&text));
    }
}
