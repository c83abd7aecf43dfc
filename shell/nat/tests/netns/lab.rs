//! The network: bridges, routers, and programs within.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use undertone_support::until;

/// Longest wait for anything; only a failure takes it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Where files are: in memory, seen by nobody else, gone with the namespace.
const RUN: &str = "/run";

/// The whole network.
pub(crate) struct Lab {
    pub(crate) router1: Router,
    pub(crate) router2: Router,
    pub(crate) router3: Router,
}

impl Lab {
    /// Needs namespaces of its own for network, mounts and processes, with all rights in them.
    pub(crate) fn build() -> Self {
        shell(
            "mount -t tmpfs tmpfs /run\nmkdir -p /run/netns\nip link set lo up\nip link add wan type bridge\nip link set wan up",
        );
        host("public", "wan", "11.0.9.9/16", None);
        let lab = Self {
            router1: Router::build(1, "11.0.1.11/16", Dialects::All),
            router2: Router::build(2, "11.0.2.12/16", Dialects::NoPcp),
            router3: Router::build(3, "100.64.0.13/24", Dialects::All),
        };
        for (peer, router, last) in [("peer1", 1, 2), ("peer3", 1, 3), ("peer2", 2, 2), ("peer4", 3, 2)] {
            let (address, gateway) = (format!("192.168.{router}.{last}/24"), format!("192.168.{router}.1"));
            host(peer, &format!("lan{router}"), &address, Some(&gateway));
        }
        lab
    }
}

impl Lab {
    /// As after [`Lab::build`], whatever the case before has left when it failed.
    pub(crate) fn tidy(&self) {
        for router in [&self.router1, &self.router2, &self.router3] {
            if !router.mappings().is_empty() {
                router.restart();
            }
        }
    }
}

/// A namespace with one interface, `eth`, on a bridge.
fn host(name: &str, bridge: &str, address: &str, gateway: Option<&str>) {
    let mut script = format!(
        "ip netns add {name}
         ip -n {name} link set lo up
         ip link add eth netns {name} type veth peer name to-{name}
         ip link set to-{name} master {bridge} up
         ip -n {name} addr add {address} dev eth
         ip -n {name} link set eth up"
    );
    if let Some(gateway) = gateway {
        let _ = write!(script, "\nip -n {name} route add default via {gateway}");
    }
    shell(&script);
}

/// What a router speaks beside UPnP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dialects {
    All,
    NoPcp,
}

/// A NAT with miniupnpd.
pub(crate) struct Router {
    name: String,
    /// Its outer address.
    pub(crate) outside: String,
    daemon: Mutex<Option<Child>>,
}

impl Router {
    fn build(number: u8, outside: &str, dialects: Dialects) -> Self {
        let name = format!("router{number}");
        host(&name, "wan", outside, None);
        shell(&format!(
            "ip link add lan{number} type bridge
             ip link set lan{number} up
             ip link add lan netns {name} type veth peer name to-lan{number}
             ip link set to-lan{number} master lan{number} up
             ip -n {name} addr add 192.168.{number}.1/24 dev lan
             ip -n {name} link set lan up
             ip netns exec {name} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'"
        ));
        let filter = match dialects {
            Dialects::All => "",
            // The first byte of the payload is the version.
            Dialects::NoPcp => "udp dport 5351 @th,64,8 2 drop",
        };
        write(&format!("{name}.nft"), &RULES.replace("FILTER", filter));
        write(&format!("{name}.conf"), &DAEMON.replace("NAME", &name).replace("NUMBER", &number.to_string()));
        let outside = outside.split('/').next().unwrap().to_owned();
        let router = Self { name, outside, daemon: Mutex::new(None) };
        router.start();
        router
    }

    /// Sets the rules of the NAT, without any mapping, and starts the daemon.
    fn start(&self) {
        let name = &self.name;
        shell(&format!("ip netns exec {name} nft -f {RUN}/{name}.nft"));
        let log = File::create(self.log()).unwrap();
        let mut command = within(name, "miniupnpd");
        command.args(["-d", "-f", &format!("{RUN}/{name}.conf"), "-P", &format!("{RUN}/{name}.pid")]);
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        *self.daemon.lock().unwrap() = Some(child);
        let ready = || fs::read_to_string(self.log()).unwrap().contains("Listening for NAT-PMP");
        assert!(until(LONG, ready), "miniupnpd does not start: {}", end_of(&self.log()));
    }

    fn log(&self) -> PathBuf {
        Path::new(RUN).join(format!("{}.log", self.name))
    }

    /// A power cut: all mappings are forgotten, and connections too.
    pub(crate) fn restart(&self) {
        let mut daemon = self.daemon.lock().unwrap().take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        self.start();
    }

    /// The mappings of the kernel, as `tcp 30303 192.168.1.2:30303`, in order.
    pub(crate) fn mappings(&self) -> Vec<String> {
        let chain = ["list", "chain", "inet", "lab", "mapped"];
        let output = within(&self.name, "nft").args(["--numeric-protocol"]).args(chain).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut found: Vec<String> = text.lines().filter_map(mapping).collect();
        found.sort();
        found
    }

    /// Waits until these are the mappings.
    pub(crate) fn until_mappings(&self, wanted: &[&str]) {
        let found = until(LONG, || self.mappings() == wanted);
        assert!(found, "{}: {:?} instead of {wanted:?}\n{}", self.name, self.mappings(), end_of(&self.log()));
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.lock().unwrap().take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// `iif "eth" @nh,72,8 0x6 th dport 30303 dnat ip to 192.168.1.2:30303`, as miniupnpd writes its rules.
fn mapping(line: &str) -> Option<String> {
    let after = |word: &str| line.split_once(word)?.1.split_whitespace().next();
    let protocol = match after("@nh,72,8 ")? {
        "0x6" | "0x06" | "6" => "tcp",
        _ => "udp",
    };
    Some(format!("{protocol} {} {}", after("dport ")?, after("dnat ip to ")?))
}

/// A NAT as at home: from inside everything, from outside answers and what is mapped.
const RULES: &str = r#"
table inet lab
delete table inet lab
table inet lab {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "lan" accept
        jump allowed
    }
    chain allowed { }
    chain input {
        type filter hook input priority 0; policy accept;
        FILTER
        iifname "eth" ct state new drop
    }
    chain prerouting { type nat hook prerouting priority -100; jump mapped; }
    chain mapped { }
    chain postrouting {
        type nat hook postrouting priority 100;
        jump own
        oifname "eth" masquerade
    }
    chain own { }
}
"#;

/// As on a home router, but with leases of a second where one is asked for.
const DAEMON: &str = "
ext_ifname=eth
listening_ip=lan
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
min_lifetime=1
max_lifetime=86400
upnp_table_name=lab
upnp_nat_table_name=lab
upnp_forward_chain=allowed
upnp_nat_chain=mapped
upnp_nat_postrouting_chain=own
friendly_name=NAME
uuid=6c2f0f5e-0000-4000-8000-00000000000NUMBER
allow 1024-65535 192.168.NUMBER.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
";

fn write(name: &str, text: &str) {
    fs::write(Path::new(RUN).join(name), text).unwrap();
}

/// The last lines of a log.
fn end_of(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().rev().take(30).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Runs lines of shell, of which none may fail.
fn shell(script: &str) {
    let output = Command::new("sh").args(["-e", "-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A command inside a namespace.
pub(crate) fn within(name: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name, program]).stdin(Stdio::null());
    command
}

/// A program whose lines are read as they come. It is killed when dropped.
pub(crate) struct Program {
    name: String,
    log: PathBuf,
    child: Child,
    stdin: ChildStdin,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        let log = Path::new(RUN).join(format!("{name}.log"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                shared.lock().unwrap().push(line);
            }
        });
        Self { name: name.to_owned(), log, child, stdin, lines }
    }

    pub(crate) fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap()
    }

    /// What it has said, and the end of its log.
    pub(crate) fn trouble(&self) -> String {
        format!("{}: {:#?}\n{}", self.name, self.lines(), end_of(&self.log))
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// Waits for a line, at or after number `from`, that begins with `start`.
    pub(crate) fn wait_for(&self, from: usize, start: &str) -> String {
        self.wait_until(from, start, |line| line.starts_with(start))
    }

    /// Waits for a line, at or after number `from`, that is as `wanted`.
    pub(crate) fn wait_until(&self, from: usize, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let find = || self.lines().iter().skip(from).find(|line| wanted(line)).cloned();
        let mut found = None;
        let ok = until(LONG, || {
            found = find();
            found.is_some()
        });
        assert!(ok, "does not say `{what}`: {}", self.trouble());
        found.unwrap()
    }

    /// Waits until it has ended by itself, well.
    pub(crate) fn ended(&mut self) {
        let ok = until(LONG, || self.child.try_wait().unwrap().is_some_and(|status| status.success()));
        assert!(ok, "does not end well: {}", self.trouble());
    }

    /// Its process, for a signal.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// As a power cut.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
