//! An app behind a socket of its own, and clients of its WebSocket.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tickbase::app::App;
use tickbase::config::{DatabaseConfig, Settings};
use tokio::sync::oneshot;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, Message, WebSocket};

use crate::support::TestDatabase;

/// How long a test waits for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The app behind a socket of its own.
pub(crate) struct Served {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    server: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    pub(crate) fn new(db: &TestDatabase) -> Self {
        Self::with(db, |_| ())
    }

    pub(crate) fn with(db: &TestDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.database = DatabaseConfig::new(db.url()).unwrap();
        settings.server.bind = "127.0.0.1:0".parse().unwrap();
        change(&mut settings);
        let app = Arc::new(App::start(settings).unwrap());
        let listener = app.listen().unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let serving = Arc::clone(&app);
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let shutdown = async move { drop(ended.await) };
            runtime.block_on(serving.serve(listener, shutdown)).unwrap();
            runtime.shutdown_background();
        });
        Self {
            app,
            address,
            end: Some(end),
            server: Some(server),
        }
    }

    /// A client that has been greeted.
    pub(crate) fn client(&self) -> Client {
        let mut client = self.connect(&[]).unwrap();
        let hello = client.next();
        assert_eq!(hello["messageType"], "connection_status");
        assert_eq!(hello["data"]["status"], "connected");
        client
    }

    /// Connects, or tells the status of the refusal.
    pub(crate) fn connect(
        &self,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, (u16, String)> {
        connect(self.address, headers)
    }

    pub(crate) fn post_ticks(&self, ticks: &Value) {
        post_ticks(self.address, ticks);
    }

    /// Ends the server as a signal does.
    pub(crate) fn stop(&mut self) {
        if let Some(end) = self.end.take() {
            end.send(()).unwrap();
            self.server.take().unwrap().join().unwrap();
        }
    }
}

/// Connects to a server, or tells the status of the refusal.
pub(crate) fn connect(
    address: SocketAddr,
    headers: &[(&'static str, &str)],
) -> Result<Client, (u16, String)> {
    let url = format!("ws://{address}/ws/realtime");
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = Some(WebSocketConfig::default());
    match tungstenite::client::client_with_config(request, socket, config) {
        Ok((socket, response)) => {
            let protocol = response.headers().get("sec-websocket-protocol");
            let protocol = protocol.map(|it| it.to_str().unwrap().to_owned());
            Ok(Client { socket, protocol })
        }
        Err(HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
            let body = answer.body().clone().unwrap_or_default();
            let text = String::from_utf8_lossy(&body).into_owned();
            Err((answer.status().as_u16(), text))
        }
        Err(other) => panic!("{other}"),
    }
}

/// Stores ticks by the native API at this address.
pub(crate) fn post_ticks(address: SocketAddr, ticks: &Value) {
    let url = format!("http://{address}/api/market-data");
    let mut answer = ureq::post(url)
        .header("content-type", "application/json")
        .send(ticks.to_string())
        .unwrap();
    let report = answer.body_mut().read_to_string().unwrap();
    assert!(report.contains("\"rejected\":0"), "{report}");
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
        self.app.stop();
    }
}

pub(crate) struct Client {
    pub(crate) socket: WebSocket<TcpStream>,
    /// The one that the server chose.
    pub(crate) protocol: Option<String>,
}

impl Client {
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// The next message; the connection must be alive.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        loop {
            match self.socket.read().unwrap() {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(message["version"], "1.0", "{message}");
                    assert!(
                        message["timestamp"].as_str().unwrap().ends_with('Z'),
                        "{message}"
                    );
                    return message;
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The data of the next message, which must be of this type.
    #[track_caller]
    pub(crate) fn data(&mut self, message_type: &str) -> Value {
        let message = self.next();
        assert_eq!(message["messageType"], message_type, "{message}");
        message["data"].clone()
    }

    #[track_caller]
    pub(crate) fn subscribe(&mut self, data: Value) -> Value {
        self.send(&json!({"messageType": "subscribe", "data": data}));
        self.data("subscription_ack")
    }

    /// What came before the answer to a ping: all that was on its way.
    #[track_caller]
    pub(crate) fn until_pong(&mut self) -> Vec<Value> {
        self.send(&json!({"messageType": "ping"}));
        let mut seen = Vec::new();
        loop {
            let message = self.next();
            if message["messageType"] == "pong" {
                return seen;
            }
            seen.push(message);
        }
    }

    /// Reads to the end; the code and reason of the close frame, if there was one.
    pub(crate) fn end(&mut self) -> Option<(u16, String)> {
        let mut close = None;
        loop {
            match self.socket.read() {
                Ok(Message::Close(Some(frame))) => {
                    close = Some((frame.code.into(), frame.reason.to_string()));
                }
                Ok(_) => {}
                Err(_) => return close,
            }
        }
    }
}

/// Waits for a condition that must come true.
#[track_caller]
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
