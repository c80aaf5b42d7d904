//! A receiver of webhooks: an HTTP server of a few lines that notes down what it gets, and answers,
//! hangs or hangs up as a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What it got.
#[derive(Debug, Clone)]
pub struct Request {
    head: Vec<String>,
    pub body: Vec<u8>,
    /// When it had come.
    pub at: Instant,
}

impl Request {
    /// The first line.
    pub fn line(&self) -> &str {
        &self.head[0]
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head[1..]
            .iter()
            .filter_map(|line| line.split_once(':'));
        let mut found = headers.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    pub fn key(&self) -> String {
        self.header("idempotency-key").unwrap().to_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What it does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with a status.
    Status(u16),
    /// Answers with a status, headers (each ended by CRLF) and a body.
    Full(u16, String, Vec<u8>),
    /// Answers 200 once the receiver is released.
    Held,
    /// Hangs up without a word.
    HangUp,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    released: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Its thread ends with the test's process.
pub struct Receiver {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Replies to the n-th request, counted from 0, as `script` says.
    pub fn new(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let (of, script) = (Arc::clone(&shared), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (of, script) = (Arc::clone(&of), Arc::clone(&script));
                std::thread::spawn(move || of.serve(stream.unwrap(), &*script));
            }
        });
        Self { address, shared }
    }

    /// Accepts everything.
    pub fn accepting() -> Self {
        Self::new(|_| Reply::Status(200))
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks/t0ken", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// Waits until it has got so many.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        let state = self.shared.state.lock().unwrap();
        let few = |state: &mut State| state.requests.len() < count;
        let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, few);
        let (state, _) = waited.unwrap();
        assert!(
            state.requests.len() >= count,
            "{} of {count}",
            state.requests.len()
        );
        state.requests.clone()
    }

    /// Answers those that are held, now and later.
    pub fn release(&self) {
        self.shared.state.lock().unwrap().released = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.release();
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream, script: &dyn Fn(usize) -> Reply) {
        let Some(request) = read(&stream) else {
            return;
        };
        let number = {
            let mut state = self.state.lock().unwrap();
            state.requests.push(request);
            state.requests.len() - 1
        };
        self.changed.notify_all();
        let (status, headers, body) = match script(number) {
            Reply::HangUp => return,
            Reply::Status(status) => (status, String::new(), Vec::new()),
            Reply::Full(status, headers, body) => (status, headers, body),
            Reply::Held => {
                let state = self.state.lock().unwrap();
                drop(
                    self.changed
                        .wait_while(state, |state| !state.released)
                        .unwrap(),
                );
                (200, String::new(), Vec::new())
            }
        };
        let head = format!(
            "HTTP/1.1 {status} Told\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        // Whoever asked may be gone by now.
        let mut stream = &stream;
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut request = Request {
        head,
        body: Vec::new(),
        at: Instant::now(),
    };
    let length: usize = request.header("content-length")?.parse().ok()?;
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
