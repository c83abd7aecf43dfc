//! A JSON-RPC endpoint on loopback that says what a test wants it to say.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use undertone_ens::Endpoint;

/// What became of a request: these bytes go out, then the connection is closed.
type Answer = Box<dyn FnMut(Value) -> Vec<u8> + Send>;

/// Serves until the test ends.
pub(crate) struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    /// Answers each request with bytes of the test's choice.
    pub(crate) fn start(mut answer: Answer) -> Self {
        Self::each(move |stream, asked| {
            let mut stream = BufReader::new(stream);
            let Some(request) = read_request(&mut stream) else { return };
            asked.lock().unwrap().push(request.clone());
            // Whoever asked may have had enough of the answer before its end.
            let _ = stream.get_mut().write_all(&answer(request));
        })
    }

    /// Gives each connection, and the list of what was asked, to the test.
    pub(crate) fn each(mut serve: impl FnMut(TcpStream, &Mutex<Vec<Value>>) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &list);
            }
        });
        Self { port, asked }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        format!("http://127.0.0.1:{}/key-of-a-provider", self.port).parse().unwrap()
    }

    pub(crate) fn secure_endpoint(&self) -> Endpoint {
        format!("https://localhost:{}/", self.port).parse().unwrap()
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// A response that closes the connection.
pub(crate) fn http(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nlocation: http://127.0.0.1:1/\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn read_request(stream: &mut BufReader<impl Read>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
