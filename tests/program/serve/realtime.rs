//! `/ws/realtime` of a server, while another process writes into its database.

use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::support::on_both;
use crate::support::process::{PATIENCE, Serving};

fn next(socket: &mut WebSocket<TcpStream>) -> Value {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

on_both! {
    fn what_another_process_imports_shows(db: &TestDatabase) {
        let serving = Serving::start(db, &[], &[]);
        let stream = TcpStream::connect(serving.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}/ws/realtime", serving.address());
        let (mut socket, _) = tungstenite::client(url, stream).unwrap();
        assert_eq!(next(&mut socket)["messageType"], "connection_status");
        let subscribe = json!({"messageType": "subscribe",
            "data": {"subscriptionType": "market_data", "instrumentId": 1}});
        socket.send(Message::text(subscribe.to_string())).unwrap();
        assert_eq!(next(&mut socket)["messageType"], "subscription_ack");
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");
        let import = Command::new(env!("CARGO_BIN_EXE_tickbase"))
            .args(["--database-url", db.url(), "import", "--symbol", "ES", sample])
            .output()
            .unwrap();
        assert!(import.status.success(), "{import:?}");
        let message = next(&mut socket);
        assert_eq!(message["messageType"], "data_changed", "{message}");
        assert_eq!(message["data"], json!({"instrumentId": 1, "symbol": "ES", "from": null,
            "to": null, "rows": null}));
    }
}
