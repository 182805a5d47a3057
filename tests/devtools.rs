//! A headless Chromium driven over its own protocol through two pipes: no port, no driver, nothing to install beside it.
//!
//! What this file does not do: know the page. It opens addresses, presses keys, moves the mouse, and collects complaints.

use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing asked of the browser may take longer, also on a slow machine that compiles beside it.
const TIME: Duration = Duration::from_secs(60);

/// A Chromium, if there is one: `$CHROMIUM`, or one of its usual names in the search path.
pub fn chromium() -> Option<OsString> {
    let given = std::env::var_os("CHROMIUM").filter(|name| !name.is_empty());
    let usual = ["chromium", "chromium-browser", "google-chrome"].map(OsString::from);
    let found = given.into_iter().chain(usual).find(on_path);
    if found.is_none() {
        println!("skipped: there is no Chromium");
    }
    found
}

/// Whether a program is in the search path, or is a path itself.
pub fn on_path(name: &OsString) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(name).is_file())
}

/// One browser with one tab.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    /// Complaints of the page and requests that it made, since they were last taken.
    complaints: Vec<String>,
    loaded: bool,
    /// The address that was opened; asking for it is no request of the page.
    address: String,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts one, if there is a Chromium.
    pub fn start() -> Option<Self> {
        let browser = chromium()?;
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken over the file descriptors 3 and 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"]).arg(browser);
        command.args(["--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--disable-sync", "--disable-background-networking", "--disable-component-update", "--disable-default-apps"]);
        command.args(["--disable-extensions", "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a shell starts");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { continue };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            input,
            messages,
            session: String::new(),
            last: 0,
            complaints: Vec::new(),
            loaded: false,
            address: String::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1280, 900);
        Some(browser)
    }

    /// Asks for something and waits for the answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).expect("the browser listens");
        let started = Instant::now();
        loop {
            let answer = self.next(method, started);
            if answer["id"] == json!(id) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn next(&self, what: &str, started: Instant) -> Value {
        let left = TIME.saturating_sub(started.elapsed());
        self.messages.recv_timeout(left).unwrap_or_else(|error| panic!("{what}: the browser does not answer: {error}"))
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => params["exceptionDetails"].to_string(),
            "Runtime.consoleAPICalled" => format!("console: {}", params["args"]),
            "Log.entryAdded" => format!("log: {} {}", params["entry"]["text"], params["entry"]["url"]),
            "Page.javascriptDialogOpening" => format!("dialog: {}", params["message"]),
            "Network.requestWillBeSent" => match params["request"]["url"].as_str().unwrap_or_default() {
                url if url == self.address => return,
                url => format!("request: {url}"),
            },
            "Page.loadEventFired" => {
                self.loaded = true;
                return;
            }
            _ => return,
        };
        self.complaints.push(complaint);
    }

    /// Opens a file and waits until it has loaded.
    pub fn open(&mut self, page: &Path) {
        self.address = format!("file://{}", page.display());
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.settle();
        self.call("Page.navigate", json!({"url": self.address}));
        self.settle();
    }

    fn settle(&mut self) {
        let started = Instant::now();
        while !self.loaded {
            let event = self.next("loading", started);
            self.note(&event);
        }
        self.loaded = false;
    }

    /// The value of an expression in the page, once it is settled.
    pub fn ask(&mut self, expression: &str) -> Value {
        let answer = self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true, "awaitPromise": true}));
        assert!(answer["exceptionDetails"].is_null(), "{expression:.200}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// What the page complained of and asked for since this was last asked.
    pub fn complaints(&mut self) -> Vec<String> {
        // An answer comes behind the events before it.
        thread::sleep(Duration::from_millis(20));
        self.call("Page.getFrameTree", json!({}));
        std::mem::take(&mut self.complaints)
    }

    /// Sets the size of the window in CSS pixels.
    pub fn size(&mut self, width: u32, height: u32) {
        self.call("Emulation.setDeviceMetricsOverride", json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}));
    }

    /// Shows the page as on `screen` or in `print`, `light` or `dark`.
    pub fn media(&mut self, media: &str, scheme: &str) {
        // Scrolling that takes its time would move what the mouse is aimed at.
        let features =
            [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")].map(|(name, value)| json!({"name": name, "value": value}));
        self.call("Emulation.setEmulatedMedia", json!({"media": media, "features": features}));
    }

    /// Presses and releases a key.
    pub fn press(&mut self, key: &str) {
        let text = if key.len() == 1 { key } else { "" };
        self.call("Input.dispatchKeyEvent", json!({"type": "keyDown", "key": key, "text": text}));
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key}));
    }

    /// Drags with the left button from one place of the window to another.
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        let mut mouse = |kind: &str, (x, y): (f64, f64), buttons: u32| {
            self.call(
                "Input.dispatchMouseEvent",
                json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1, "pointerType": "mouse"}),
            );
        };
        mouse("mouseMoved", from, 0);
        mouse("mousePressed", from, 1);
        mouse("mouseMoved", ((from.0 + to.0) / 2.0, to.1), 1);
        mouse("mouseMoved", to, 1);
        mouse("mouseReleased", to, 0);
    }
}
