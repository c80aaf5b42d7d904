//! A client of the API: requests to its router, without a socket in between.

use std::io::Write;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use serde_json::Value;
use tickbase::app::App;
use tickbase::config::{DatabaseConfig, Settings};
use tower::ServiceExt;

use crate::support::TestDatabase;

/// The API over a database of the test's own.
pub(crate) struct Api {
    pub(crate) app: App,
    router: Router,
    runtime: tokio::runtime::Runtime,
}

/// A client of a router beside the app's own.
pub(crate) struct Beside<'a> {
    api: &'a Api,
    router: Router,
}

impl Beside<'_> {
    pub(crate) fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.api
            .runtime
            .block_on(answer(self.router.clone(), request))
    }
}

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Api {
    /// With the settings as they are by default.
    pub(crate) fn new(db: &TestDatabase) -> Self {
        Self::with(db, |_| ())
    }

    /// With some settings changed.
    pub(crate) fn with(db: &TestDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.database = DatabaseConfig::new(db.url()).unwrap();
        change(&mut settings);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let app = App::start(settings).unwrap();
        let router = app.router();
        Self {
            app,
            router,
            runtime,
        }
    }

    /// Sends any request.
    pub(crate) fn send(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(answer(self.router.clone(), request))
    }

    /// Sends requests all at once.
    pub(crate) fn send_together(&self, requests: Vec<Request<Body>>) -> Vec<Answer> {
        let sent = requests.into_iter().map(|request| {
            let router = self.router.clone();
            self.runtime.spawn(answer(router, request))
        });
        let sent: Vec<_> = sent.collect();
        let answers = sent
            .into_iter()
            .map(|task| self.runtime.block_on(task).unwrap());
        answers.collect()
    }

    /// The answer to a request whose body has not been read yet.
    pub(crate) fn open(&self, path: &str) -> axum::response::Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request);
        self.runtime.block_on(answer).unwrap()
    }

    pub(crate) fn block_on<T>(&self, of: impl Future<Output = T>) -> T {
        self.runtime.block_on(of)
    }

    /// Sends a request whose answer is asked for later, with [`Api::finish`].
    pub(crate) fn send_later(&self, request: Request<Body>) -> tokio::task::JoinHandle<Answer> {
        self.runtime.spawn(answer(self.router.clone(), request))
    }

    pub(crate) fn finish(&self, sent: tokio::task::JoinHandle<Answer>) -> Answer {
        self.runtime.block_on(sent).unwrap()
    }

    /// Asks again and again until there is an answer to the question.
    #[track_caller]
    pub(crate) fn until<T>(&self, question: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = question(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// The same client before another router.
    pub(crate) fn beside(&self, router: Router) -> Beside<'_> {
        Beside { api: self, router }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path).body(Body::empty()).unwrap())
    }

    /// Sends a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(post(path, "application/json", body.to_string()))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        let request = Request::put(path).header("content-type", "application/json");
        self.send(request.body(body.to_string().into()).unwrap())
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.app.stop();
    }
}

async fn answer(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

/// A request with a body of any kind.
pub(crate) fn post(path: &str, kind: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header("content-type", kind);
    request.body(body.into()).unwrap()
}

/// The same, packed.
pub(crate) fn post_gzip(path: &str, kind: &str, body: &[u8]) -> Request<Body> {
    let request = Request::post(path)
        .header("content-type", kind)
        .header("content-encoding", "gzip");
    request.body(packed(body).into()).unwrap()
}

/// A member of gzip data.
pub(crate) fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

impl Answer {
    /// The JSON of an answer with this status.
    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The text of a refusal with this status: `detail`, or its first place and message.
    #[track_caller]
    pub(crate) fn detail(&self, status: u16) -> String {
        let body = self.json(status);
        match &body["detail"] {
            Value::String(text) => text.clone(),
            Value::Array(places) => {
                let place = &places[0];
                let path: Vec<String> = place["loc"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|step| step.to_string().trim_matches('"').to_owned())
                    .collect();
                format!("{}: {}", path.join("."), place["msg"].as_str().unwrap())
            }
            _ => panic!("{body} has no detail"),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
