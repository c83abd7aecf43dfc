//! A name server on loopback that knows some texts.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

/// How long the socket waits before the end is looked for.
const TICK: Duration = Duration::from_millis(20);

/// Bytes before the question.
const HEADER: usize = 12;

/// Longest string of a text, in bytes.
const STRING: usize = 255;

/// Answers until it is dropped.
pub(crate) struct Names {
    /// Where.
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// One text for each name.
    pub(crate) fn serve(texts: BTreeMap<String, String>) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(TICK))?;
        let address = socket.local_addr()?;
        let texts: BTreeMap<_, _> =
            texts.into_iter().map(|(name, text)| (name.to_lowercase(), text)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while !stopped.load(Ordering::Acquire) {
                let Ok((size, from)) = socket.recv_from(&mut buffer) else { continue };
                let answer = buffer.get(..size).and_then(|query| answer(query, &texts));
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The answer to a query of one name (RFC 1035, 4.1); whatever type it asks for gets a text.
fn answer(query: &[u8], texts: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    let (name, question) = question(query)?;
    let text = texts.get(&name);
    let mut answer = query.get(..2)?.to_vec();
    // An answer, with authority; no error, or no such name.
    answer.extend([0x85, if text.is_some() { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, u8::from(text.is_some()), 0, 0, 0, 0]);
    answer.extend(question);
    if let Some(text) = text {
        let mut data = Vec::new();
        for string in text.as_bytes().chunks(STRING) {
            data.push(u8::try_from(string.len()).ok()?);
            data.extend(string);
        }
        // The name of the question, TXT, IN, a minute.
        answer.extend([0xc0, 0x0c, 0, 16, 0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// The name that is asked for, and the bytes of the question.
fn question(query: &[u8]) -> Option<(String, &[u8])> {
    let mut labels = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    // Type and class.
    Some((labels.join("."), query.get(HEADER..at + 4)?))
}
