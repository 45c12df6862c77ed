//! Debian's chromium, driven over the pipe of its DevTools protocol.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longer than anything takes on a machine that does other work too.
const PATIENCE: Duration = Duration::from_secs(180);

/// One browser with one page.
pub struct Chromium {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// `None` where there is no chromium, with a line that says so.
    pub fn start() -> Option<Self> {
        if Command::new("chromium").arg("--version").output().is_err() {
            crate::skip::said("what a browser makes of the HTML report: there is no chromium");
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        // The pipe's ends are descriptors 3 and 4 for chromium. It resolves no name but loopback's.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec chromium "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "sh"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args([
                "--headless",
                "--no-sandbox",
                "--remote-debugging-pipe",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--disable-extensions",
                "--disable-sync",
                "--no-first-run",
                "--no-default-browser-check",
                "--no-pings",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--window-size=1280,900",
                "about:blank",
            ])
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            input,
            messages,
            session: None,
            last: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &target);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log", "DOM", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.call("Page.setLifecycleEventsEnabled", &json!({"enabled": true}));
        browser.call("Emulation.setFocusEmulationEnabled", &json!({"enabled": true}));
        Some(browser)
    }

    /// Calls a method of the protocol and waits for its result.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
        loop {
            let message = self.next();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn next(&self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("chromium says nothing any more")
    }

    /// Opens the file and waits until it is loaded and drawn: chromium drops keys and clicks that
    /// come before a page's first frame.
    pub fn open(&mut self, path: &Path) {
        let url = format!("file://{}", path.display());
        self.events.clear();
        let opened = self.call("Page.navigate", &json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{opened}");
        for stage in ["load", "firstContentfulPaint"] {
            let came = |event: &Value| {
                let what = &event["params"];
                event["method"] == "Page.lifecycleEvent"
                    && what["loaderId"] == opened["loaderId"]
                    && what["name"] == stage
            };
            while !self.events.iter().any(came) {
                let message = self.next();
                self.events.push(message);
            }
        }
    }

    /// The value of an expression in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    pub fn wait_for(&mut self, expression: &str) {
        let begin = Instant::now();
        while self.eval(expression) != true {
            assert!(begin.elapsed() < PATIENCE, "never became true: {expression}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Types into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Presses a key and lets it go.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            "ArrowDown" => (40, ""),
            other => panic!("no code for the key {other}"),
        };
        let name = if key == " " { "Space" } else { key };
        let mut event = json!({"type": "keyDown", "key": key, "code": name,
            "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &event);
    }

    /// Tabs on until an expression about the focused element `it` is true.
    pub fn tab_to(&mut self, expression: &str) {
        let test = format!("(it => {expression})(document.activeElement)");
        for _ in 0..400 {
            self.press("Tab");
            if self.eval(&test) == true {
                return;
            }
        }
        panic!("no Tab leads to what {expression}");
    }

    /// Clicks in the middle of the element that the selector finds first.
    pub fn click(&mut self, selector: &str) {
        let document = self.call("DOM.getDocument", &json!({"depth": 0}));
        let node = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let found = self.call("DOM.querySelector", &node);
        let node = json!({"nodeId": found["nodeId"]});
        // What was not drawn so far gets its height when it comes into view, and moves the rest.
        let mut quad: Vec<f64> = Vec::new();
        loop {
            self.call("DOM.scrollIntoViewIfNeeded", &node);
            let quads = self.call("DOM.getContentQuads", &node);
            let corners = quads["quads"][0].as_array().unwrap().iter();
            let now: Vec<f64> = corners.map(|it| it.as_f64().unwrap()).collect();
            if now == quad {
                break;
            }
            quad = now;
            std::thread::sleep(Duration::from_millis(100));
        }
        let (x, y) = ((quad[0] + quad[4]) / 2.0, (quad[1] + quad[5]) / 2.0);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// What a screen reader is told, role and name of each node, once that no longer changes:
    /// chromium brings it up to date some time after the page has changed.
    pub fn spoken(&mut self) -> Vec<(String, String)> {
        let begin = Instant::now();
        let mut before = self.spoken_now();
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = self.spoken_now();
            if now == before {
                return now;
            }
            assert!(begin.elapsed() < PATIENCE, "what is told changes without end");
            before = now;
        }
    }

    fn spoken_now(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", &json!({}));
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().unwrap().iter();
        nodes
            .filter(|node| node["ignored"] == false)
            .map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }

    /// Addresses that were asked for since the file was opened.
    pub fn requests(&self) -> Vec<String> {
        self.events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent")
            .map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What the console would show since then: errors, violations of the policy, warnings.
    pub fn complaints(&mut self) -> Vec<String> {
        // What happened before this answer has been told before it.
        self.call("Runtime.evaluate", &json!({"expression": "0"}));
        let methods = ["Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"];
        self.events
            .iter()
            .filter(|event| methods.iter().any(|method| event["method"] == *method))
            .map(|event| event["params"].to_string())
            .collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The end of the pipe ends it with all its processes; what then still runs is killed.
        self.input = None;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
