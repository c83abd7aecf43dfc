//! Our other devices: which are known, what they are called, what they tell each other.

use undertone_datasync::{GroupId, SyncPayloadOut, wrap};
use undertone_payload::{ChatMessageOut, Clock, MessageType, Metadata, PairInstallation};
use undertone_ratchet::InstallationId;
use undertone_transport::{PublicName, Route};

use super::*;
use crate::rows::{Address, Carries, DEVICE_LABELS, OutboxRow};
use crate::step::Step;
use crate::{Device, FailReason, Protection};

/// A device of the identity of this byte, started; and its contact code.
fn device(byte: u8, name: &[u8]) -> (Side, Send) {
    let mut side = Side::unopened(byte);
    side.dice = Dice::new(name);
    let code = sends(&side.open())[0].clone();
    (side, code)
}

/// Two devices of Alice that have heard of each other.
fn two() -> (Side, Side) {
    let ((mut laptop, of_laptop), (mut phone, of_phone)) = (device(0xa1, b"laptop"), device(0xa1, b"phone"));
    laptop.hear(laptop.key(), &of_phone);
    phone.hear(phone.key(), &of_laptop);
    (laptop, phone)
}

/// The same, enabled on both sides.
fn paired() -> (Side, Side) {
    let (mut laptop, mut phone) = two();
    laptop.command(Command::EnableDevice(name(&phone)));
    phone.command(Command::EnableDevice(name(&laptop)));
    (laptop, phone)
}

fn name(side: &Side) -> InstallationId {
    side.messenger.installation_id(&side.store).unwrap().unwrap()
}

fn devices(side: &Side) -> Vec<Device> {
    side.messenger.devices(&side.store, &side.key()).unwrap()
}

fn told(effects: &[Effect]) -> Vec<Device> {
    let device = |effect: &Effect| match effect {
        Effect::Notify(Notice::OwnDevice(device)) => Some((**device).clone()),
        _ => None,
    };
    effects.iter().filter_map(device).collect()
}

fn pushed_out(effects: &[Effect]) -> Vec<InstallationId> {
    let name = |effect: &Effect| match effect {
        Effect::Notify(Notice::DevicePushedOut { installation, .. }) => Some(installation.clone()),
        _ => None,
    };
    effects.iter().filter_map(name).collect()
}

/// What a command sends, without what all devices of ours hear in public.
fn direct(effects: &[Effect]) -> Vec<Send> {
    let is = |send: &&&Send| !matches!(send.route, Route::ContactCode(_));
    sends(effects).iter().filter(is).map(|send| (*send).clone()).collect()
}

fn write(side: &mut Side, chat: &ChatId, text: &str) -> (MessageId, Vec<Send>) {
    let effects = side.command(Command::Send { chat: chat.clone(), text: text.to_owned() });
    (messages(&effects)[0].id, direct(&effects))
}

fn lab() -> ChatId {
    ChatId::Public(PublicName::new("lab").unwrap())
}

/// A payload of a device to the devices of its own identity, in the DH-only form.
fn to_own_key(side: &mut Side, payload: &[u8]) -> Send {
    let (own, now) = (side.key(), side.now);
    let mut step = Step::begin(&side.messenger, &mut side.store, now, &mut side.dice).unwrap();
    let bytes = step.with_ratchet(|layer, cx| layer.seal_dh(cx, &own, payload)).unwrap().bytes;
    step.hand_over(&OutboxRow::new(Address::Partition(own), bytes, Carries::Devices)).unwrap();
    sends(&step.finish().unwrap())[0].clone()
}

fn pairing(side: &Side, id: &str, clock: u64) -> Vec<u8> {
    let clock = Clock::from_value(clock);
    let pair =
        PairInstallation::new(clock, id, "desktop", "study", Unix::from_millis(clock.value())).unwrap();
    Metadata::unsigned(MessageType::PAIR_INSTALLATION, pair.encode(), side.key()).into_bytes()
}

#[test]
fn a_new_device_of_ours_is_shown_and_gets_nothing_until_it_is_enabled() {
    let ((mut laptop, _), (phone, code)) = (device(0xa1, b"laptop"), device(0xa1, b"phone"));
    assert_eq!(devices(&laptop).len(), 1);
    assert!(devices(&laptop)[0].this_device && devices(&laptop)[0].reached);
    let effects = laptop.hear(laptop.key(), &code);
    let shown = told(&effects);
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].installation.clone(), shown[0].enabled), (name(&phone), false));
    assert_eq!((shown[0].last_named, shown[0].last_heard), (Some(START), Some(START)));
    assert_eq!(devices(&laptop)[1], shown[0]);
    assert!(told(&laptop.hear(laptop.key(), &code)).is_empty(), "once");
    let bob = ChatId::OneToOne(Side::unopened(0xb2).key());
    assert_eq!(write(&mut laptop, &bob, "hello").1.len(), 1);

    let effects = laptop.command(Command::EnableDevice(name(&phone)));
    assert!(told(&effects)[0].enabled && told(&effects)[0].reached);
    assert_eq!(sends(&effects).len(), 1, "people hear of it");
    assert_eq!(write(&mut laptop, &bob, "hello").1.len(), 2);
    laptop.command(Command::DisableDevice(name(&phone)));
    assert_eq!(write(&mut laptop, &bob, "hello").1.len(), 1);

    let this = Command::DisableDevice(name(&laptop));
    assert_eq!(laptop.try_step(Input::Command(this)).unwrap_err(), Fault::ThisDevice);
    let unknown = Command::EnableDevice(InstallationId::new("nobody").unwrap());
    assert_eq!(laptop.try_step(Input::Command(unknown)).unwrap_err(), Fault::UnknownDevice);
}

#[test]
fn what_one_device_writes_is_filed_on_the_other_as_ours() {
    let (mut laptop, mut phone) = paired();
    let mut bob = Side::new(0xb2);
    let (to_bob, to_alice) = (ChatId::OneToOne(bob.key()), ChatId::OneToOne(laptop.key()));
    let (id, sent) = write(&mut laptop, &to_bob, "hello");
    assert_eq!(sent.len(), 2);
    for send in &sent {
        laptop.progress(send.id, Progress::Relayed);
    }
    let effects = phone.hear(laptop.key(), &sent[1]);
    let copy = messages(&effects)[0];
    assert_eq!((copy.id, &copy.chat, copy.author), (id, &to_bob, laptop.key()));
    assert_eq!((copy.state, copy.protection), (MessageState::Sent, Protection::Ratchet));
    let chat = phone.messenger.chats(&phone.store).unwrap()[0].clone();
    assert_eq!((chat.unread, chat.opened_by), (0, crate::OpenedBy::Us));

    // Its acknowledgement says nothing about Bob, and ends the repeating.
    let ack = laptop.hear_all(phone.key(), &effects);
    assert!(states(&ack).is_empty());
    assert_eq!((laptop.state(&id), laptop.rows(Table::Pending)), (MessageState::Sent, 1));
    let answer = bob.hear(laptop.key(), &sent[0]);
    laptop.hear_all(bob.key(), &answer);
    assert_eq!((laptop.state(&id), laptop.rows(Table::Pending)), (MessageState::Delivered, 0));

    // Bob has learned both from the bundle: both read what he answers.
    let (_, answer) = bob.say(&to_alice, "hello you two");
    for side in [&mut laptop, &mut phone] {
        assert_eq!(messages(&side.hear(bob.key(), &answer))[0].text, "hello you two");
        assert_eq!(side.texts(&to_bob), ["hello", "hello you two"]);
    }
    // A device that was off for a while gets it then.
    let (_, sent) = write(&mut phone, &to_bob, "later");
    phone.progress(sent[1].id, Progress::Relayed);
    phone.later(Duration::from_secs(5));
    laptop.now = phone.now;
    let again = phone.timeout();
    laptop.hear_all(phone.key(), &again);
    assert_eq!(laptop.texts(&to_bob).last().unwrap(), "later");
}

#[test]
fn a_device_that_is_not_enabled_does_not_speak_for_us() {
    let (mut laptop, mut phone) = two();
    let to_bob = ChatId::OneToOne(Side::unopened(0xb2).key());
    laptop.command(Command::EnableDevice(name(&phone)));
    let (_, sent) = write(&mut laptop, &to_bob, "as if it were you");
    let arrival = phone.arrival(laptop.key(), &sent[1]);
    assert_eq!(phone.refused(arrival.clone()), Undecodable::Payload("messenger.device_not_enabled"));

    // Nor does whoever holds our key and no device: without the ratchet only names come through.
    let keyring = laptop.keyring.clone();
    let chat = ChatMessageOut::one_to_one(
        &Side::unopened(0xb2).key(),
        "forged",
        Clock::bid(Clock::NONE, START),
        START,
    );
    let signed = Metadata::sign(
        MessageType::CHAT_MESSAGE,
        chat.encode().unwrap(),
        &*keyring,
        laptop.messenger.identity(),
    );
    let body = signed.unwrap().into_bytes();
    let group = GroupId::of_pair(&laptop.key(), &laptop.key());
    let wrapped = SyncPayloadOut::message(&wrap(group, START, body.clone()).1).to_bytes();
    for payload in [body.clone(), wrapped] {
        let send = to_own_key(&mut laptop, &payload);
        let arrival = phone.arrival(laptop.key(), &send);
        assert_eq!(phone.refused(arrival), Undecodable::Payload("messenger.not_a_pairing"));
    }
    // And nothing at all without the security layer.
    let bare = Received { payload: body, ..phone.arrival(laptop.key(), &sent[1]) };
    phone.ignored(bare);

    // Once it is enabled, what it repeats comes through.
    phone.command(Command::EnableDevice(name(&laptop)));
    assert_eq!(messages(&phone.receive(arrival))[0].text, "as if it were you");
}

#[test]
fn what_this_device_sent_is_an_echo() {
    let (mut laptop, phone) = paired();
    let (_, sent) = write(&mut laptop, &ChatId::OneToOne(Side::unopened(0xb2).key()), "hello");
    laptop.ignored(laptop.arrival(laptop.key(), &sent[1]));
    let pair = laptop.command(Command::Pair { name: "study".to_owned(), kind: "desktop".to_owned() });
    laptop.ignored(laptop.arrival(laptop.key(), &direct(&pair)[0]));
    let code = laptop.open();
    let code = sends(&code).into_iter().find(|send| matches!(send.route, Route::ContactCode(_))).unwrap();
    laptop.ignored(laptop.arrival(phone.key(), code));
}

#[test]
fn devices_are_known_by_the_names_that_they_give_themselves() {
    let ((mut laptop, _), (mut phone, _)) = (device(0xa1, b"laptop"), device(0xa1, b"phone"));
    let pair = Command::Pair { name: "my phone".to_owned(), kind: "android".to_owned() };
    let effects = phone.command(pair.clone());
    assert_eq!(devices(&phone)[0].name.as_deref(), Some("my phone"));
    let send = direct(&effects)[0].clone();
    assert_eq!((&send.route, send.to), (&Route::Partition(phone.key()), Some(phone.key())));

    // The bundle beside it makes the device known: one notice with everything.
    let shown = told(&laptop.hear(phone.key(), &send));
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].name.as_deref(), shown[0].kind.as_deref()), (Some("my phone"), Some("android")));
    assert!(!shown[0].enabled, "a name enables nothing");
    laptop.ignored(laptop.arrival(phone.key(), &send));

    // A newer one renames, an older one that comes late does not.
    phone.later(Duration::from_secs(1));
    let new = phone.command(Command::Pair { name: "pocket".to_owned(), kind: "android".to_owned() });
    phone.later(Duration::from_secs(1));
    let newest = phone.command(Command::Pair { name: "best phone".to_owned(), kind: "android".to_owned() });
    laptop.now = phone.now;
    assert_eq!(told(&laptop.hear(phone.key(), &direct(&newest)[0]))[0].name.as_deref(), Some("best phone"));
    laptop.ignored(laptop.arrival(phone.key(), &direct(&new)[0]));
    assert_eq!(devices(&laptop)[1].name.as_deref(), Some("best phone"));
    laptop.command(Command::EnableDevice(name(&phone)));
    assert_eq!(devices(&laptop)[1].name.as_deref(), Some("best phone"));

    let before = phone.store.clone();
    for (name, kind) in [("a\x1b[31mb", "android"), ("a\u{202e}b", "android"), ("pocket", "and\u{200b}roid")]
    {
        let command = Command::Pair { name: name.to_owned(), kind: kind.to_owned() };
        assert_eq!(phone.try_step(Input::Command(command)).unwrap_err(), Fault::DeviceName, "{name:?}");
    }
    assert_eq!(phone.store, before);
    let blank = Command::Pair { name: " ".to_owned(), kind: "android".to_owned() };
    let fault = phone.try_step(Input::Command(blank)).unwrap_err();
    assert_eq!((fault.code(), fault.fault()), ("pair.name_blank", undertone_base::FaultClass::Caller));
}

#[test]
fn a_pairing_names_a_known_device_of_ours_or_nothing() {
    let (mut laptop, mut phone) = two();
    let mut refused = |laptop: &mut Side, payload: &[u8]| {
        let send = to_own_key(laptop, payload);
        let arrival = phone.arrival(laptop.key(), &send);
        phone.refused(arrival)
    };
    let now = START.millis();
    let (this, unknown) = (name(&laptop), "a11ce000-0000-4000-8000-000000000001");
    let nobody = pairing(&laptop, unknown, now);
    assert_eq!(refused(&mut laptop, &nobody), Undecodable::Payload("messenger.unknown_device"));
    let future = pairing(&laptop, this.as_str(), now + 121_000);
    assert_eq!(refused(&mut laptop, &future), Undecodable::Payload("clock.too_high"));
    // Signed by somebody else, passed on by us.
    let bob = Side::unopened(0xb2);
    let pair = PairInstallation::new(Clock::from_value(now), this.as_str(), "ios", "x", START).unwrap();
    let foreign = Metadata::sign(
        MessageType::PAIR_INSTALLATION,
        pair.encode(),
        &*bob.keyring,
        bob.messenger.identity(),
    );
    let foreign = foreign.unwrap().into_bytes();
    assert_eq!(refused(&mut laptop, &foreign), Undecodable::Payload("metadata.relayed"));
    // The receiver itself.
    let own = pairing(&laptop, name(&phone).as_str(), now);
    let send = to_own_key(&mut laptop, &own);
    let arrival = phone.arrival(laptop.key(), &send);
    assert_eq!(phone.refused(arrival), Undecodable::Payload("messenger.unknown_device"));
    // In whose name it comes, says the envelope.
    let valid = pairing(&laptop, this.as_str(), now);
    let send = to_own_key(&mut laptop, &valid);
    let arrival = phone.arrival(bob.key(), &send);
    assert!(matches!(phone.refused(arrival), Undecodable::Payload(_)));
    assert_eq!(devices(&phone)[1].name, None);
    assert_eq!(told(&phone.hear(laptop.key(), &send))[0].name.as_deref(), Some("study"));
}

#[test]
fn a_fourth_device_pushes_one_out_and_the_person_sees_it() {
    let (mut laptop, phone) = paired();
    let mut late = Vec::new();
    for (n, dice) in [&b"tablet"[..], b"watch"].into_iter().enumerate() {
        let mut side = Side::unopened(0xa1);
        side.dice = Dice::new(dice);
        side.later(Duration::from_secs(10 * (n as u64 + 1)));
        let code = sends(&side.open())[0].clone();
        laptop.now = side.now;
        assert_eq!(told(&laptop.hear(side.key(), &code)).len(), 1);
        late.push(name(&side));
    }
    let effects = laptop.command(Command::EnableDevice(late[0].clone()));
    assert!(pushed_out(&effects).is_empty());
    let effects = laptop.command(Command::EnableDevice(late[1].clone()));
    assert_eq!(pushed_out(&effects), [name(&phone)]);
    let reached: Vec<_> =
        devices(&laptop).iter().filter(|d| d.reached).map(|d| d.installation.clone()).collect();
    assert_eq!(reached, [name(&laptop), late[1].clone(), late[0].clone()]);
    // Whoever is active later pushes out, too.
    let mut phone = phone;
    phone.later(Duration::from_secs(60));
    let (_, public) = phone.say(&lab(), "hi");
    laptop.now = phone.now;
    laptop.command(Command::Open(lab()));
    assert_eq!(pushed_out(&laptop.hear(phone.key(), &public)), [late[0].clone()]);
    let effects = laptop.command(Command::EnableDevice(late[1].clone()));
    let code = &sends(&effects)[0].payload;
    let named = [&late[0], &late[1], &name(&phone), &name(&laptop)]
        .map(|name| code.windows(36).any(|window| window == name.as_str().as_bytes()));
    assert_eq!(named, [false, true, true, true], "what is shown is what is sent");
}

#[test]
fn a_copy_goes_through_the_ratchet_or_not_at_all() {
    let (mut laptop, phone) = paired();
    let to_bob = ChatId::OneToOne(Side::unopened(0xb2).key());
    let (id, sent) = write(&mut laptop, &to_bob, "hello");
    laptop.progress(sent[1].id, Progress::Relayed);
    assert_eq!(laptop.state(&id), MessageState::Composed, "the copy's way is not the message's");
    laptop.command(Command::DisableDevice(name(&phone)));
    laptop.later(Duration::from_secs(5));
    assert!(direct(&laptop.timeout()).is_empty());
    assert_eq!(laptop.rows(Table::Pending), 1, "the message itself");

    // Given up, its copy goes as well.
    laptop.command(Command::EnableDevice(name(&phone)));
    let (id, sent) = write(&mut laptop, &to_bob, "never mind");
    assert_eq!(sent.len(), 2);
    laptop.command(Command::GiveUp(id));
    assert_eq!(laptop.state(&id), MessageState::Failed(FailReason::GivenUp));
    assert_eq!(laptop.rows(Table::Pending), 2, "the two messages, whose acknowledgements would count");
    assert_eq!(laptop.rows(Table::Due), 0);
}

#[test]
fn what_another_device_says_in_public_is_ours() {
    let (mut laptop, mut phone) = two();
    laptop.command(Command::Open(lab()));
    let (id, send) = phone.say(&lab(), "hello all");
    let effects = laptop.hear(phone.key(), &send);
    assert_eq!((messages(&effects)[0].id, messages(&effects)[0].state), (id, MessageState::Sent));
    assert_eq!(laptop.messenger.chats(&laptop.store).unwrap()[0].unread, 0);
    laptop.hear(phone.key(), &send);
    assert_eq!(laptop.texts(&lab()), ["hello all"]);
    // What we signed in somebody else's envelope is still nothing.
    laptop.ignored(laptop.arrival(Side::unopened(0xc3).key(), &send));
}

#[test]
fn names_of_devices_are_bounded() {
    let mut laptop = Side::new(0xa1);
    for n in 0..70u64 {
        let mut side = Side::unopened(0xa1);
        side.dice = Dice::new(&n.to_be_bytes());
        side.later(Duration::from_secs(n));
        side.open();
        let effects = side.command(Command::Pair { name: n.to_string(), kind: "desktop".to_owned() });
        laptop.now = side.now;
        laptop.hear(side.key(), &direct(&effects)[0]);
    }
    let labels = laptop.store.scan_prefix(Table::Meta, DEVICE_LABELS, Order::Ascending, usize::MAX).unwrap();
    assert!(labels.len() <= 64, "{}", labels.len());
    assert_eq!(devices(&laptop)[1].name.as_deref(), Some("69"));
}

#[test]
fn the_devices_of_a_person_are_listed() {
    let (mut alice, mut bob) = acquainted();
    let theirs = |side: &Side, key| side.messenger.devices(&side.store, &key).unwrap();
    let known = theirs(&alice, bob.key());
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].installation, name(&bob));
    assert!(known[0].enabled && known[0].reached && !known[0].this_device);
    assert!(known[0].last_named.is_some_and(|at| at >= START));
    assert_eq!(known[0].last_heard, Some(START));
    bob.later(Duration::from_secs(100));
    alice.now = bob.now;
    let (_, send) = bob.say(&ChatId::OneToOne(alice.key()), "still here");
    alice.hear(bob.key(), &send);
    assert_eq!(theirs(&alice, bob.key())[0].last_heard, Some(bob.now.unix));
    assert!(theirs(&alice, Side::unopened(0xc3).key()).is_empty());
}

#[test]
fn a_device_that_another_names_was_not_heard() {
    let (mut alice, mut bob) = acquainted();
    // Bob's tablet, which Bob's phone knows, has enabled and names in its bundles.
    let (mut tablet, code) = device(0xb2, b"tablet");
    bob.hear(bob.key(), &code);
    bob.command(Command::EnableDevice(name(&tablet)));
    bob.later(Duration::from_secs(100));
    alice.now = bob.now;
    let to_alice = ChatId::OneToOne(alice.key());
    let (_, sent) = write(&mut bob, &to_alice, "from the phone");
    let effects = alice.hear(bob.key(), &sent[0]);
    assert_eq!(messages(&effects).len(), 1);
    let seen = |alice: &Side, of: &Side| {
        let devices = alice.messenger.devices(&alice.store, &bob.key()).unwrap();
        devices.into_iter().find(|device| device.installation == name(of)).unwrap()
    };
    assert_eq!(seen(&alice, &bob).last_heard, Some(alice.now.unix));
    let of_tablet = seen(&alice, &tablet);
    assert_eq!(of_tablet.last_heard, None, "named is not heard");
    assert!(of_tablet.last_named >= Some(bob.now.unix) && of_tablet.reached);

    // Whatever can be read counts: public, without the ratchet, through it. What is refused does not.
    alice.command(Command::Open(lab()));
    tablet.later(Duration::from_secs(200));
    alice.now = tablet.now;
    let (_, public) = tablet.say(&lab(), "hi");
    let mut broken = public.clone();
    broken.payload.truncate(broken.payload.len() - 1);
    alice.refused(alice.arrival(bob.key(), &broken));
    assert_eq!(seen(&alice, &tablet).last_heard, None);
    alice.hear(bob.key(), &public);
    assert_eq!(seen(&alice, &tablet).last_heard, Some(alice.now.unix));
}

#[test]
fn a_fourth_device_of_a_person_is_announced_and_so_is_the_one_that_it_pushes_out() {
    let (mut alice, mut bob) = acquainted();
    let phone = name(&bob);
    let mut codes = Vec::new();
    for n in 1..=3u64 {
        let mut side = Side::unopened(0xb2);
        side.dice = Dice::new(&n.to_be_bytes());
        side.later(Duration::from_secs(10 * n));
        let code = sends(&side.open())[0].clone();
        alice.now = side.now;
        codes.push(alice.hear(bob.key(), &code));
    }
    let announced = |effects: &[Effect]| {
        effects.iter().filter(|effect| matches!(effect, Effect::Notify(Notice::NewDevice { .. }))).count()
    };
    assert_eq!(codes.iter().map(|effects| announced(effects)).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!([pushed_out(&codes[0]), pushed_out(&codes[1])], [vec![], vec![]]);
    assert_eq!(pushed_out(&codes[2]), std::slice::from_ref(&phone), "the one with the oldest bundle");
    let reached = |alice: &Side| {
        let devices = alice.messenger.devices(&alice.store, &bob.key()).unwrap();
        devices.iter().filter(|device| device.reached).count()
    };
    assert_eq!(reached(&alice), 3);
    // It comes back as soon as it says something, and pushes out another.
    bob.later(Duration::from_secs(60));
    alice.now = bob.now;
    let (_, sent) = write(&mut bob, &ChatId::OneToOne(alice.key()), "still me");
    let effects = alice.hear(bob.key(), &sent[0]);
    assert_eq!(pushed_out(&effects).len(), 1);
    assert!(!pushed_out(&effects).contains(&phone));
}

#[test]
fn what_we_claim_is_the_same_on_all_our_devices() {
    use crate::Profile;
    let (mut laptop, mut phone) = paired();
    let profile = |name: &str| Profile { ens_name: name.to_owned(), picture: String::new() };
    let of = |side: &Side| side.messenger.profile(&side.store).unwrap();
    let set = |side: &mut Side, name: &str| {
        let effects = side.command(Command::SetProfile(profile(name)));
        direct(&effects)[0].clone()
    };
    let first = set(&mut laptop, "one.eth");
    let effects = phone.hear(laptop.key(), &first);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Notify(Notice::Profile(_)))));
    assert_eq!(of(&phone), profile("one.eth"));
    // The newer one counts, whichever comes last.
    phone.later(Duration::from_secs(1));
    let newer = set(&mut phone, "two.eth");
    laptop.now = phone.now;
    laptop.hear(phone.key(), &newer);
    assert_eq!(of(&laptop), profile("two.eth"));
    laptop.now = Now { unix: START, ..laptop.now };
    let third = set(&mut laptop, "three.eth");
    phone.hear(laptop.key(), &third);
    assert_eq!(
        (of(&laptop), of(&phone)),
        (profile("three.eth"), profile("three.eth")),
        "a clock that is behind"
    );

    // A device that is not enabled says nothing for us.
    phone.command(Command::DisableDevice(name(&laptop)));
    let fourth = set(&mut laptop, "four.eth");
    let arrival = phone.arrival(laptop.key(), &fourth);
    assert_eq!(phone.refused(arrival), Undecodable::Payload("messenger.device_not_enabled"));
    assert_eq!(of(&phone), profile("three.eth"));
}
