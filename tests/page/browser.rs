//! A Chromium of the test's own, driven by chromedriver: gone with the test, however that ends.
//!
//! It knows of pages, not of tickbase's: what its views show is for `open_page`.

use std::fmt::Debug;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::{ParseError, Url};

/// How long a test waits for what must come true in the browser.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Where the reader of the tests lives: local times differ from UTC there.
const ZONE: &str = "America/New_York";
/// All processes are of one group, which ends when the test's end of the pipe is gone.
const DRIVER: &str = "chromedriver --port=0 --log-level=SEVERE & read -r; kill -KILL 0";

/// A browser with one tab.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Driver,
    /// The id of its first process.
    process: u32,
    /// Goes last: the processes write into it.
    _profile: TempDir,
}

/// A command of chromedriver that the protocol has no word for.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _url: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// Opens one, with further arguments of Chromium.
    pub(crate) fn open(further: &[&str]) -> Self {
        let mut workers = tokio::runtime::Builder::new_multi_thread();
        let runtime = workers
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let profile = tempfile::tempdir().expect("a directory");
        let driver = Driver::start();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--window-size=1440,900".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        // Its sandbox refuses to be set up by root.
        if is_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        arguments.extend(further.iter().map(ToString::to_string));
        let wanted = json!({
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
            "timeouts": {"pageLoad": 30_000, "script": 60_000},
        });
        let Value::Object(wanted) = wanted else {
            unreachable!()
        };
        let address = format!("http://127.0.0.1:{}", driver.port);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connected = runtime.block_on(builder.capabilities(wanted).connect(&address));
        let client = connected.unwrap_or_else(|error| panic!("no Chromium: {error}"));
        let process = client
            .capabilities()
            .and_then(|all| all.get("goog:processID")?.as_u64());
        let process = process
            .and_then(|id| u32::try_from(id).ok())
            .expect("it tells its process");
        Self {
            runtime,
            client,
            driver,
            process,
            _profile: profile,
        }
    }

    /// The id of its first process.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Goes to an address.
    pub(crate) fn go(&self, url: &str) {
        done(url, self.runtime.block_on(self.client.goto(url)));
    }

    /// Loads the page again.
    pub(crate) fn reload(&self) {
        done("reload", self.runtime.block_on(self.client.refresh()));
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str, arguments: &[Value]) -> Value {
        let running = self.client.execute(script, arguments.to_vec());
        done(script, self.runtime.block_on(running))
    }

    /// What a script hands to its last argument, a function.
    pub(crate) fn run_async(&self, script: &str, arguments: &[Value]) -> Value {
        let running = self.client.execute_async(script, arguments.to_vec());
        done(script, self.runtime.block_on(running))
    }

    /// The text that an expression has.
    pub(crate) fn text(&self, expression: &str) -> String {
        let value = self.run(&format!("return {expression}"), &[]);
        let text = value.as_str().map(ToOwned::to_owned);
        text.unwrap_or_else(|| panic!("{expression} is no text: {value}"))
    }

    /// Waits until an expression is true, and tells how long that took.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> Duration {
        self.until_with(expression, &[])
    }

    /// The same, with arguments: `arguments[0]`.
    #[track_caller]
    pub(crate) fn until_with(&self, expression: &str, arguments: &[Value]) -> Duration {
        let script = format!("return Boolean({expression})");
        let begin = Instant::now();
        while self.run(&script, arguments) != json!(true) {
            if begin.elapsed() > PATIENCE {
                let shown = self.text("document.body.innerText");
                panic!("never: {expression} {arguments:?}; the page shows:\n{shown}");
            }
            std::thread::sleep(PAUSE);
        }
        begin.elapsed()
    }

    /// Presses a key, as a person does.
    pub(crate) fn press(&self, key: char) {
        let text = key.to_string();
        for kind in ["rawKeyDown", "keyUp"] {
            let (name, code) = named(key);
            let mut event = json!({"type": kind, "key": name, "code": name,
                "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code});
            if kind == "rawKeyDown" && key == '\r' {
                event["type"] = json!("keyDown");
                event["text"] = json!(text);
            }
            self.devtools("Input.dispatchKeyEvent", event);
        }
    }

    /// Types into the first element of a selector, or names the file of a file input.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let typing = async {
            let element = self.client.find(fantoccini::Locator::Css(selector)).await?;
            element.send_keys(text).await
        };
        done(selector, self.runtime.block_on(typing));
    }

    /// Clicks the first element of a selector.
    pub(crate) fn click(&self, selector: &str) {
        let clicking = async {
            let element = self.client.find(fantoccini::Locator::Css(selector)).await?;
            element.click().await
        };
        done(selector, self.runtime.block_on(clicking));
    }

    /// Calls a method of the DevTools protocol.
    pub(crate) fn devtools(&self, method: &str, parameters: Value) -> Value {
        let body = json!({"cmd": method, "params": parameters});
        self.extension("goog/cdp/execute", body)
    }

    /// The size of the window in pixels of the page.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Has pages take the system for a light or a dark one.
    pub(crate) fn colours(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    /// A picture of the whole page, as PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let size = "return [innerWidth, Math.min(document.documentElement.scrollHeight, 4000)]";
        let size = self.run(size, &[]);
        let number = |at: usize| size[at].as_u64().expect("a number");
        self.picture_of(number(0), number(1))
    }

    /// A picture of the upper left part of the page, as PNG.
    pub(crate) fn picture_of(&self, width: u64, height: u64) -> Vec<u8> {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let wanted = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let taken = self.devtools("Page.captureScreenshot", wanted);
        let text = taken["data"].as_str().expect("a picture");
        let encoding = base64::engine::general_purpose::STANDARD;
        encoding.decode(text).expect("it is base64")
    }

    /// What the console got since the last call: errors of scripts, refused requests, all words.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.extension("se/log", json!({"type": "browser"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let bad = entries
            .iter()
            .filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        bad.map(|entry| format!("{} {}", entry["level"], entry["message"]))
            .collect()
    }

    /// Fails when the console got an error or a warning that names none of these.
    #[track_caller]
    pub(crate) fn expect_quiet(&self, but: &[&str]) {
        let mut said = self.console();
        said.retain(|line| !but.iter().any(|known| line.contains(known)));
        assert!(
            said.is_empty(),
            "the console of the browser:\n{}",
            said.join("\n")
        );
    }

    fn extension(&self, path: &'static str, body: Value) -> Value {
        let what = body.to_string();
        done(
            &what,
            self.runtime
                .block_on(self.client.issue_cmd(Extension { path, body })),
        )
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.end();
    }
}

#[track_caller]
fn done<T, E: Debug>(what: &str, result: Result<T, E>) -> T {
    let short: String = what.chars().take(300).collect();
    result.unwrap_or_else(|error| panic!("{short}: {error:?}"))
}

/// The name and the number of a key.
fn named(key: char) -> (&'static str, u32) {
    match key {
        '\t' => ("Tab", 9),
        '\r' => ("Enter", 13),
        '\u{1b}' => ("Escape", 27),
        other => panic!("{other:?} is not among the keys of the tests"),
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|mine| mine.uid() == 0)
}

/// The process that speaks WebDriver, and all that it has started.
struct Driver {
    group: Child,
    pipe: Option<ChildStdin>,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let mut group = Command::new("bash")
            .args(["-c", DRIVER])
            .env("TZ", ZONE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("bash runs");
        let pipe = group.stdin.take();
        let said = BufReader::new(group.stdout.take().expect("it is piped"));
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        let port = port.expect("chromedriver starts: apt-get install chromium chromium-driver");
        Self { group, pipe, port }
    }

    fn end(&mut self) {
        drop(self.pipe.take());
        self.group.wait().ok();
    }
}
