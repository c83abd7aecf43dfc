//! A server that repeats what another one has said.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was asked, and all bytes of what was answered: head and body of an HTTP response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange {
    /// The body of the request.
    pub request: String,
    /// The response as it came.
    pub answer: String,
}

/// Answers `POST` requests on loopback with recorded bytes, until the test ends. A request is told by its body, byte for
/// byte. One that was never recorded is refused, and fails the test when this is dropped.
#[derive(Debug)]
pub struct Replay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    log: Mutex<Log>,
}

#[derive(Debug)]
enum Script {
    Any(Vec<Exchange>),
    InOrder(Mutex<VecDeque<Exchange>>),
}

#[derive(Debug, Default)]
struct Log {
    answered: usize,
    unexpected: Vec<String>,
}

impl Replay {
    /// Each request must be the next of these.
    pub fn in_order(exchanges: Vec<Exchange>) -> Self {
        Self::start(Script::InOrder(Mutex::new(exchanges.into())))
    }

    /// Each request must be one of these, as often as it is asked.
    pub fn any(exchanges: Vec<Exchange>) -> Self {
        Self::start(Script::Any(exchanges))
    }

    #[expect(clippy::unwrap_used, reason = "a test without a socket has failed")]
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { script, log: Mutex::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                // Whoever asks may leave at any time.
                std::thread::spawn(move || drop(shared.serve(BufReader::new(stream))));
            }
        });
        Self { port, shared }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many requests were answered.
    pub fn answered(&self) -> usize {
        self.shared.log().answered
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        let log = self.shared.log();
        if !std::thread::panicking() {
            assert_eq!(log.unexpected, [""; 0], "requests that were not recorded");
        }
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: BufReader<TcpStream>) -> std::io::Result<()> {
        loop {
            let (head, body) = request(&mut stream)?;
            if head.is_empty() {
                return Ok(());
            }
            let asked = String::from_utf8_lossy(&body).into_owned();
            let right = head.starts_with("POST ") && head.contains("content-type: application/json\r\n");
            let answer = if right { self.script.answer(&asked) } else { None };
            let Some(answer) = answer else {
                self.log().unexpected.push(head + &asked);
                let refusal = b"HTTP/1.1 500 unexpected\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                return stream.get_mut().write_all(refusal);
            };
            self.log().answered += 1;
            stream.get_mut().write_all(answer.as_bytes())?;
            // Without a length the end of the connection is that of the answer.
            let (head, _) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            let head = head.to_ascii_lowercase();
            if !head.contains("\ncontent-length:") || head.contains("\nconnection: close") {
                return Ok(());
            }
        }
    }
}

impl Script {
    fn answer(&self, asked: &str) -> Option<String> {
        match self {
            Self::Any(exchanges) => {
                exchanges.iter().find(|exchange| exchange.request == asked).map(|found| found.answer.clone())
            }
            Self::InOrder(exchanges) => {
                let mut exchanges = exchanges.lock().unwrap_or_else(PoisonError::into_inner);
                exchanges.pop_front_if(|next| next.request == asked).map(|next| next.answer)
            }
        }
    }
}

/// The head, in lower case but for its first line, and the body. Nothing at the end of the connection.
fn request(stream: &mut BufReader<TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if !head.is_empty() {
            line.make_ascii_lowercase();
        }
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().map_err(std::io::Error::other)?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &Replay, body: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
        let head = "POST / HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        // An answer with a length leaves the connection open.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn exchange(request: &str) -> Exchange {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{request}", request.len());
        Exchange { request: request.to_owned(), answer }
    }

    #[test]
    fn what_was_recorded_is_repeated_and_nothing_else() {
        let server = Replay::any(vec![exchange("a"), exchange("b")]);
        for body in ["b", "a", "b"] {
            assert_eq!(ask(&server, body), exchange(body).answer);
        }
        assert_eq!(server.answered(), 3);
        let server = Replay::in_order(vec![exchange("a"), exchange("b")]);
        assert_eq!(ask(&server, "a"), exchange("a").answer);
        assert!(ask(&server, "a").starts_with("HTTP/1.1 500"));
        assert_eq!(server.answered(), 1);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
        assert!(failed.is_err(), "and the test fails");
    }
}
