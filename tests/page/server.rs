//! A server of the test's own: started on a free port, asked as any client asks, killed, started
//! again on the same port, and gone at the end of the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::typestate::WithBody;

use crate::database::Database;
use crate::program::command;

/// How long a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, or was killed and may be started again.
pub(crate) struct Server {
    url: String,
    arguments: Vec<String>,
    address: String,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
    agent: ureq::Agent,
    token: Option<String>,
}

/// An answer of the API.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Server {
    /// Starts a server on a free port, with more arguments.
    pub(crate) fn start(db: &Database, arguments: &[&str]) -> Self {
        Self::start_on(db, 0, arguments)
    }

    /// Starts a server on a port, with more arguments.
    pub(crate) fn start_on(db: &Database, port: u16, arguments: &[&str]) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        let mut server = Self {
            url: db.url().to_owned(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            address: format!("127.0.0.1:{port}"),
            child: None,
            log: Arc::default(),
            agent: agent.into(),
            token: None,
        };
        server.start_again();
        server
    }

    /// The test's own requests bring this token.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Starts it again, on the port that it had.
    pub(crate) fn start_again(&mut self) {
        let mut command = command(&self.url, &["serve", "--bind", &self.address]);
        command.args(&self.arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("tickbase runs");
        let said = child.stderr.take().expect("it is piped");
        let address = follow(said, Arc::clone(&self.log)).recv_timeout(PATIENCE);
        self.child = Some(child);
        self.address = address.unwrap_or_else(|_| panic!("it does not listen: {}", self.logged()));
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Has it read its tokens again, and waits until it has.
    pub(crate) fn read_tokens_again(&self) {
        let times = |log: String| log.matches("tokens were read again").count();
        let before = times(self.logged());
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        let deadline = Instant::now() + PATIENCE;
        while times(self.logged()) == before {
            assert!(Instant::now() < deadline, "{}", self.logged());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its log so far.
    pub(crate) fn logged(&self) -> String {
        self.log
            .lock()
            .expect("nobody fails while writing it")
            .clone()
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks for a path, with headers.
    pub(crate) fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.base()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(request.call().expect("it answers"))
    }

    /// The JSON at a path.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask(path, &[]);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).expect("it is JSON")
    }

    /// Sends JSON, and returns the JSON of the answer, which must be a success.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.send(self.agent.post(format!("{}{path}", self.base())), body)
    }

    /// The same as a change of what is there.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Value {
        self.send(self.agent.put(format!("{}{path}", self.base())), body)
    }

    /// Deletes what is at a path.
    pub(crate) fn delete(&self, path: &str) -> Value {
        let mut request = self.agent.delete(format!("{}{path}", self.base()));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = answer(request.call().expect("it answers"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).expect("it is JSON")
    }

    fn send(&self, mut request: ureq::RequestBuilder<WithBody>, body: &Value) -> Value {
        request = request.header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = answer(request.send(body.to_string()).expect("it answers"));
        assert!(
            (200..300).contains(&answer.status),
            "{body}: {}",
            answer.text
        );
        serde_json::from_str(&answer.text).expect("it is JSON")
    }

    /// Sends a file as it is, and returns the JSON of the answer.
    pub(crate) fn post_text(&self, path: &str, text: &str) -> Value {
        let request = self.agent.post(format!("{}{path}", self.base()));
        let request = request.header("content-type", "application/octet-stream");
        let answer = answer(request.send(text).expect("it answers"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).expect("it is JSON")
    }

    /// Milliseconds since 1970 by the server's clock.
    pub(crate) fn now(&self) -> i64 {
        let seconds = self.ask("/udf/time", &[]).text;
        seconds.trim().parse::<i64>().expect("it is a number") * 1_000
    }

    /// Stores one trade of a symbol, and returns what the report says was inserted.
    pub(crate) fn trade(&self, symbol: &str, timestamp: i64, price: f64) -> u64 {
        let tick = json!({"symbol": symbol, "timestamp": timestamp, "price": price, "volume": 2});
        let report = self.post("/api/market-data", &json!({ "ticks": [tick] }));
        report["inserted"].as_u64().expect("a count")
    }

    /// The id of an instrument, by its symbol.
    pub(crate) fn instrument(&self, symbol: &str) -> i64 {
        let all = self.get("/api/instruments?limit=1000");
        let rows = all.as_array().expect("a list");
        let found = rows.iter().find(|row| row["symbol"] == symbol);
        let id = found.and_then(|row| row["id"].as_i64());
        id.unwrap_or_else(|| panic!("no instrument {symbol}: {all}"))
    }

    /// The last price that is stored for a symbol.
    pub(crate) fn last_price(&self, symbol: &str) -> Option<f64> {
        let id = self.instrument(symbol);
        let latest = self.get(&format!("/api/instruments/{id}"));
        latest["last_price"].as_f64()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn answer(mut response: http::Response<ureq::Body>) -> Answer {
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.body_mut().read_to_string().expect("it is text"),
    }
}

/// Reads a log to its end, keeps its lines, and tells the address that it names.
fn follow(log: impl Read + Send + 'static, kept: Arc<Mutex<String>>) -> Receiver<String> {
    let (found, address) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines() {
            let Ok(line) = line else { break };
            if let Some((_, rest)) = line.split_once("listening on http://") {
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
                found
                    .send(rest[..end.unwrap_or(rest.len())].to_owned())
                    .ok();
            }
            let mut kept = kept.lock().expect("nobody fails while reading it");
            kept.push_str(&line);
            kept.push('\n');
        }
    });
    address
}
