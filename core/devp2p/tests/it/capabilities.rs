//! Which capabilities are shared and where their ids begin.

use undertone_devp2p::{BASE_LENGTH, Capability, Offer, shared};
use undertone_vectors::load;

fn offer(name: &str, version: u64, length: u64) -> Offer {
    Offer { capability: Capability::new(name, version), length }
}

#[test]
fn capabilities_match_as_in_geth() {
    let file = load("rlpx");
    let mut cases = 0;
    for case in file["capability_matching"].as_array().unwrap() {
        let number = |value: &undertone_vectors::Value| value.as_u64().unwrap();
        let ours: Vec<_> = case["local"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| offer(o["name"].as_str().unwrap(), number(&o["version"]), number(&o["length"])))
            .collect();
        let theirs: Vec<_> = case["remote"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| {
                let (name, version) = text.as_str().unwrap().split_once('/').unwrap();
                Capability::new(name, version.parse().unwrap())
            })
            .collect();
        let found = shared(&ours, &theirs);
        let expected = case["matched"].as_object().unwrap();
        assert_eq!(found.len(), expected.len(), "{}", case["note"]);
        for one in &found {
            let name = std::str::from_utf8(&one.capability.name).unwrap();
            let expected = &expected[name];
            let actual = (one.capability.version, one.offset, one.length);
            let expected =
                (number(&expected["version"]), number(&expected["offset"]), number(&expected["length"]));
            assert_eq!(actual, expected, "{}", case["note"]);
        }
        assert!(found.is_sorted_by_key(|s| s.offset));
        cases += 1;
    }
    assert_eq!(cases, 7);
}

#[test]
fn ids_and_codes_are_each_others_inverse() {
    let ours = [offer("b", 1, 3), offer("a", 1, 2)];
    let theirs = [Capability::new("a", 1), Capability::new("b", 1)];
    let found = shared(&ours, &theirs);
    let owner = |id: u64| found.iter().find_map(|s| s.code_of(id).map(|c| (s.capability.to_string(), c)));
    assert_eq!(owner(BASE_LENGTH - 1), None);
    assert_eq!(owner(BASE_LENGTH), Some(("a/1".into(), 0)));
    assert_eq!(owner(BASE_LENGTH + 2), Some(("b/1".into(), 0)));
    assert_eq!(owner(BASE_LENGTH + 5), None);
    assert_eq!(found[1].id_of(2), Some(BASE_LENGTH + 4));
    assert_eq!(found[1].id_of(3), None);
}
