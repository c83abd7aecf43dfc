//! An Internet gateway device on loopback: SSDP over UDP, description and control over HTTP. Written from the UPnP
//! texts, apart from the code under test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::OUTSIDE;

/// How it answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    /// A description that points to another machine.
    Elsewhere,
    /// An endless answer to each request over HTTP.
    Endless,
    /// Bytes that are no HTTP.
    Garbage,
    Good,
    /// Elements within elements, without an end.
    Nested,
    /// Every action fails with this code.
    Refusing(u16),
    /// Answers the search, takes connections, says nothing over them.
    Tarpit,
    /// Does not answer the search.
    Silent,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) mood: Mood,
    pub(crate) outside: Ipv4Addr,
    /// By protocol and external port.
    pub(crate) mapped: BTreeMap<(String, u16), Mapping>,
    pub(crate) taken: BTreeSet<u16>,
    /// Takes the renewal of a mapping for a conflict, as some devices do.
    pub(crate) jealous: bool,
    /// Grants leases without an end alone.
    pub(crate) endless: bool,
    pub(crate) adds: usize,
    pub(crate) deletes: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mapping {
    pub(crate) client: String,
    pub(crate) internal: u16,
    pub(crate) lease: u32,
    pub(crate) name: String,
}

pub(crate) struct IgdRouter {
    ssdp: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl IgdRouter {
    pub(crate) fn ssdp(&self) -> SocketAddr {
        self.ssdp
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// External ports that are mapped.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.state().mapped.keys().map(|(_, port)| *port).collect()
    }
}

/// Runs until the test ends.
pub(crate) fn start(mood: Mood) -> IgdRouter {
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let location = http.local_addr().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ssdp = udp.local_addr().unwrap();
    let state = Arc::new(Mutex::new(State {
        mood,
        outside: OUTSIDE,
        mapped: BTreeMap::new(),
        taken: BTreeSet::new(),
        jealous: false,
        endless: false,
        adds: 0,
        deletes: 0,
    }));
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            assert!(buffer[..length].starts_with(b"M-SEARCH * HTTP/1.1\r\n"));
            let mood = shared.lock().unwrap().mood;
            let host = if mood == Mood::Elsewhere { "192.0.2.1:80".to_owned() } else { location.to_string() };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: upnp:rootdevice\r\nLOCATION: http://{host}/root.xml\r\n\r\n"
            );
            if mood != Mood::Silent {
                let _ = udp.send_to(answer.as_bytes(), from);
            }
        }
    });
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        for stream in http.incoming().map_while(Result::ok) {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(&stream, &shared));
        }
    });
    IgdRouter { ssdp, state }
}

/// One request, then the connection ends.
fn serve(mut stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut action, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "soapaction" => action = value.trim().trim_matches('"').rsplit_once('#')?.1.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let mood = state.lock().unwrap().mood;
    match mood {
        Mood::Tarpit => {
            let _ = reader.read_to_end(&mut Vec::new());
            return None;
        }
        Mood::Garbage => return stream.write_all(&[0xf0; 4_000]).ok(),
        Mood::Endless | Mood::Nested => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<root>").ok()?;
            let chunk: &[u8] = if mood == Mood::Nested { b"<device>" } else { b"                " };
            loop {
                stream.write_all(&chunk.repeat(1_000)).ok()?;
            }
        }
        _ => {}
    }
    let (status, text) = match first.split(' ').nth(1)? {
        "/root.xml" => (200, ROOT.to_owned()),
        "/service.xml" => (200, SERVICE.to_owned()),
        "/control" => match state.lock().unwrap().control(&action, &body) {
            Ok(inner) => (
                200,
                envelope(&format!("<u:{action}Response xmlns:u=\"{KIND}\">{inner}</u:{action}Response>")),
            ),
            Err(code) => (500, envelope(&fault(code))),
        },
        _ => (404, String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(text.as_bytes()).ok()
}

impl State {
    /// What is inside the answer to an action, or the code of its error.
    fn control(&mut self, action: &str, body: &str) -> Result<String, u16> {
        let field = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>")).unwrap_or_default();
            rest.split_once('<').unwrap_or_default().0.to_owned()
        };
        if let Mood::Refusing(code) = self.mood {
            return Err(code);
        }
        let port = |name| field(name).parse::<u16>().map_err(|_| 402u16);
        match action {
            "GetExternalIPAddress" => {
                Ok(format!("<NewExternalIPAddress>{}</NewExternalIPAddress>", self.outside))
            }
            "AddPortMapping" => {
                let (external, internal) = (port("NewExternalPort")?, port("NewInternalPort")?);
                let lease = field("NewLeaseDuration").parse().map_err(|_| 402u16)?;
                let key = (field("NewProtocol"), external);
                if self.endless && lease != 0 {
                    return Err(725);
                }
                if self.taken.contains(&external) || (self.jealous && self.mapped.contains_key(&key)) {
                    return Err(718);
                }
                let (client, name) = (field("NewInternalClient"), field("NewPortMappingDescription"));
                self.mapped.insert(key, Mapping { client, internal, lease, name });
                self.adds += 1;
                Ok(String::new())
            }
            "DeletePortMapping" => {
                self.deletes += 1;
                let key = (field("NewProtocol"), port("NewExternalPort")?);
                self.mapped.remove(&key).map(|_| String::new()).ok_or(714)
            }
            _ => Err(401),
        }
    }
}

const KIND: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";

fn envelope(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <s:Body>{inner}</s:Body></s:Envelope>"
    )
}

fn fault(code: u16) -> String {
    format!(
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>\
         <UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode>\
         <errorDescription>no</errorDescription></UPnPError></detail></s:Fault>"
    )
}

const ROOT: &str = "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>\
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device>\
<deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><deviceList><device>\
<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service>\
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>/control</controlURL>\
<eventSubURL>/events</eventSubURL><SCPDURL>/service.xml</SCPDURL>\
</service></serviceList></device></deviceList></device></deviceList></device></root>";

const SERVICE: &str = "<?xml version=\"1.0\"?><scpd xmlns=\"urn:schemas-upnp-org:service-1-0\"><actionList>\
<action><name>AddPortMapping</name><argumentList>\
<argument><name>NewRemoteHost</name><direction>in</direction></argument>\
<argument><name>NewExternalPort</name><direction>in</direction></argument>\
<argument><name>NewProtocol</name><direction>in</direction></argument>\
<argument><name>NewInternalPort</name><direction>in</direction></argument>\
<argument><name>NewInternalClient</name><direction>in</direction></argument>\
<argument><name>NewEnabled</name><direction>in</direction></argument>\
<argument><name>NewPortMappingDescription</name><direction>in</direction></argument>\
<argument><name>NewLeaseDuration</name><direction>in</direction></argument></argumentList></action>\
<action><name>DeletePortMapping</name><argumentList>\
<argument><name>NewRemoteHost</name><direction>in</direction></argument>\
<argument><name>NewExternalPort</name><direction>in</direction></argument>\
<argument><name>NewProtocol</name><direction>in</direction></argument></argumentList></action>\
<action><name>GetExternalIPAddress</name><argumentList>\
<argument><name>NewExternalIPAddress</name><direction>out</direction></argument></argumentList></action>\
</actionList></scpd>";
