//! The HTML report in a real browser: what it shows with and without its script, by mouse, by
//! keyboard, on paper, and that it asks nobody for anything.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::{mutual_tls, replay};

fn docksweep(args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_docksweep"))
        .env("XDG_DATA_HOME", "/nonexistent")
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A scan of four real kinds of endpoint, which then stand at addresses of `place`.
async fn fleet(folder: &Path, count: u32, place: impl Fn(u32) -> Ipv4Addr) -> PathBuf {
    let endpoints = observations(folder).await;
    let endpoints = (0..count).map(|number| {
        let mut observation = endpoints[usize::try_from(number % 4).unwrap()].clone();
        observation["endpoint"]["address"] = json!(place(number));
        observation["endpoint"]["port"] = json!(2375);
        observation
    });
    page_of(folder, endpoints.collect())
}

/// What a scan saw of those four.
async fn observations(folder: &Path) -> Vec<Value> {
    let plain = replay::serve("d28-plain-28.5.2").await;
    let podman = replay::serve("podman-5.4.2").await;
    let guarded = replay::serve("d7-authz-plugin").await;
    let authority = mutual_tls::Authority::new("CN of the tests");
    let identity = authority.issue("guarded.example", &["guarded.example"]);
    let wanted = mutual_tls::Wanted::Required(&authority);
    let version = &rustls::version::TLS13;
    let (tls, _) = mutual_tls::serve(&identity, &identity.key, wanted, version, plain).await;
    let seed = folder.join("seed.json");
    let targets = [plain, podman, guarded, tls].map(|address| address.to_string());
    let mut args = vec!["scan", "-q", "-o", seed.to_str().unwrap()];
    args.extend(targets.iter().map(String::as_str));
    docksweep(&args);

    let report: Value = serde_json::from_slice(&std::fs::read(&seed).unwrap()).unwrap();
    let endpoints = report["endpoints"].as_array().unwrap();
    let observed = targets.iter().map(|target| {
        let id = format!("tcp/{target}");
        let endpoint = endpoints.iter().find(|endpoint| endpoint["id"] == id).unwrap();
        endpoint["observation"].clone()
    });
    observed.collect()
}

/// The report of that scan, if it had seen this.
fn page_of(folder: &Path, observations: Vec<Value>) -> PathBuf {
    let seed = folder.join("seed.json");
    let mut report: Value = serde_json::from_slice(&std::fs::read(&seed).unwrap()).unwrap();
    let endpoints = observations.into_iter().map(|observation| json!({"observation": observation}));
    report["endpoints"] = endpoints.collect();
    std::fs::write(&seed, report.to_string()).unwrap();
    let page = folder.join("report.html");
    docksweep(&["report", seed.to_str().unwrap(), "-o", page.to_str().unwrap()]);
    page
}

/// Eight endpoints, two of each kind: four in 10.20.0.0/24, four in 10.20.7.0/24.
async fn small(folder: &Path) -> PathBuf {
    fleet(folder, 8, |number| {
        let third = if number < 4 { 0 } else { 7 };
        Ipv4Addr::new(10, 20, third, 10 + u8::try_from(number).unwrap())
    })
    .await
}

/// The page alone was asked for, and the console is empty.
fn assert_quiet(browser: &mut Chromium, page: &Path) {
    assert_eq!(browser.requests(), [format!("file://{}", page.display())]);
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

const SHOWN_ROWS: &str =
    "[...document.querySelectorAll('#table tbody tr')].filter(it => !it.hidden)";
const SHOWN_ITEMS: &str =
    "[...document.querySelectorAll('#list details.e')].filter(it => !it.closest('[hidden]'))";

fn status(browser: &mut Chromium) -> String {
    browser.eval("document.getElementById('shown').textContent").as_str().unwrap().to_owned()
}

fn texts(browser: &mut Chromium, expression: &str) -> Vec<String> {
    let texts = browser.eval(expression);
    texts.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_filtered_and_sorted() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = small(folder.path()).await;
    browser.open(&page);
    let all = status(&mut browser);
    assert!(all.ends_with(" findings, 8 endpoints"), "{all}");
    let places = format!("{SHOWN_ITEMS}.map(it => it.querySelector('b').textContent)");
    let rules = format!("{SHOWN_ROWS}.map(it => it.cells[1].textContent)");

    browser.click("#f-text");
    browser.type_text("10.20.7.14");
    browser.wait_for("document.getElementById('shown').textContent.includes('1 of 8 endpoints')");
    assert_eq!(texts(&mut browser, &places), ["10.20.7.14:2375"]);
    assert!(texts(&mut browser, &rules).iter().all(|rule| !rule.starts_with("cert-")));
    browser.click("#f-reset");
    browser.wait_for(&format!("document.getElementById('shown').textContent === '{all}'"));

    // Text of one finding: its rows, and the endpoints that have it.
    browser.click("#f-text");
    browser.type_text("LIVE restore is Off");
    browser.wait_for("document.getElementById('shown').textContent.includes(' of ')");
    assert_eq!(
        texts(&mut browser, &rules).iter().find(|rule| *rule != "engine-live-restore-off"),
        None
    );
    browser.click("#f-reset");

    let choose = |id: &str, value: &str| {
        format!(
            "(() => {{ const it = document.getElementById('{id}'); it.value = '{value}'; \
             it.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        )
    };
    browser.eval(&choose("f-severity", "4"));
    browser.wait_for(&format!("{SHOWN_ROWS}.every(it => it.dataset.s === '4')"));
    let critical = texts(&mut browser, &rules);
    assert!(critical.iter().all(|rule| rule.starts_with("api-unauthenticated")), "{critical:?}");
    let open = texts(&mut browser, &places);
    assert_eq!(open, ["10.20.0.10:2375", "10.20.0.11:2375", "10.20.7.14:2375", "10.20.7.15:2375"]);
    browser.click("#f-reset");

    // The endpoints behind the client certificate.
    browser.eval(&choose("f-access", "3"));
    browser.wait_for("document.getElementById('shown').textContent.includes('2 of 8 endpoints')");
    assert_eq!(texts(&mut browser, &places), ["10.20.0.13:2375", "10.20.7.17:2375"]);
    browser.click("#f-reset");

    // A rule's number is its place in the list.
    browser.eval(
        "(() => { const it = document.getElementById('f-rule'); \
         it.value = [...it.options].find(o => o.text === 'api-exposed').value; \
         it.dispatchEvent(new Event('input', { bubbles: true })); })()",
    );
    browser.wait_for(&format!(
        "{SHOWN_ROWS}.length > 0 && {SHOWN_ROWS}.every(it => it.cells[1].textContent === 'api-exposed')"
    ));
    browser.click("#f-text");
    browser.type_text("no such text");
    browser.wait_for("!document.getElementById('none').hidden");
    assert!(status(&mut browser).starts_with("0 of "));
    browser.click("#f-reset");
    browser.wait_for(&format!("document.getElementById('shown').textContent === '{all}'"));

    // A network of the map.
    browser.click("a.net[data-n='10.20.7.0/24']");
    browser.wait_for("document.getElementById('shown').textContent.includes('4 of 8 endpoints')");
    assert!(texts(&mut browser, &places).iter().all(|place| place.starts_with("10.20.7.")));
    assert_eq!(
        browser.eval("document.querySelector('a.net[aria-current]').dataset.n"),
        "10.20.7.0/24"
    );
    assert_eq!(browser.eval("document.activeElement.id"), "f-net");
    assert_eq!(
        browser.eval("document.querySelector('#table td[data-m]').dataset.m"),
        "1 of these fit",
        "of the endpoints of a finding"
    );
    browser.click("#f-net");
    browser.wait_for(&format!("document.getElementById('shown').textContent === '{all}'"));

    // Sorting: by severity first, by rule both ways, by endpoints the most first.
    let severities = format!("{SHOWN_ROWS}.map(it => it.dataset.s)");
    assert!(texts(&mut browser, &severities).is_sorted_by(|a, b| a >= b));
    browser.click("th[data-by='severity'] button");
    assert!(texts(&mut browser, &severities).is_sorted());
    browser.click("th[data-by='rule'] button");
    assert!(texts(&mut browser, &rules).is_sorted());
    assert_eq!(browser.eval("document.querySelector('th[data-by=rule]').ariaSort"), "ascending");
    assert_eq!(browser.eval("document.querySelectorAll('th[aria-sort]').length"), 1);
    browser.click("th[data-by='rule'] button");
    assert!(texts(&mut browser, &rules).is_sorted_by(|a, b| a >= b));
    browser.click("th[data-by='endpoints'] button");
    let counts = format!("{SHOWN_ROWS}.map(it => it.cells[4].dataset.c)");
    assert!(texts(&mut browser, &counts).is_sorted_by(|a, b| a >= b));

    browser.eval(
        "(() => { const it = document.getElementById('order'); it.value = 'grade'; \
         it.dispatchEvent(new Event('change')); })()",
    );
    let grades = format!("{SHOWN_ITEMS}.map(it => it.dataset.g)");
    assert!(texts(&mut browser, &grades).is_sorted_by(|a, b| a >= b));
    assert_quiet(&mut browser, &page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_reaches_everything_and_a_screen_reader_is_told() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = small(folder.path()).await;
    browser.open(&page);

    browser.tab_to("it !== document.body");
    assert_eq!(browser.eval("document.activeElement.className"), "skip", "it is the first");
    // It shows when it is reached.
    browser.wait_for("document.activeElement.getBoundingClientRect().left >= 0");
    browser.press("Enter");
    browser.wait_for("location.hash === '#findings'");
    browser.open(&page);

    browser.tab_to("it.classList.contains('net')");
    // Where the focus is shows.
    browser.wait_for("getComputedStyle(document.activeElement).outlineStyle !== 'none'");
    browser.press("Enter");
    browser.wait_for("document.activeElement.id === 'f-net'");
    browser.press("Enter");
    browser.wait_for("document.activeElement.classList.contains('net')");

    browser.tab_to("it.id === 'f-text'");
    browser.tab_to("it.parentNode.dataset.by === 'rule'");
    browser.press("Enter");
    browser.wait_for("document.activeElement.parentNode.ariaSort === 'ascending'");
    browser.press(" ");
    browser.wait_for("document.activeElement.parentNode.ariaSort === 'descending'");

    browser.tab_to("it.matches('details.e > summary')");
    browser.press("Enter");
    browser.wait_for("document.activeElement.parentNode.open");
    // Evidence and fix stand in place, as soon as the page is told that it opened.
    browser.wait_for(
        "document.activeElement.parentNode.querySelector('li > div')?.textContent.includes('GET /version')",
    );
    browser.tab_to("it.matches('details.e li details > summary')");
    browser.press(" ");
    browser.wait_for("document.activeElement.parentNode.open");
    let fix = browser.eval("document.activeElement.parentNode.textContent.length");
    assert!(fix.as_u64().unwrap() > 40);

    // A link to an endpoint that is filtered away shows it again.
    browser.click("#f-text");
    browser.type_text("no such text");
    browser.wait_for("!document.getElementById('none').hidden");
    browser.eval("location.hash = '#e3'");
    browser.wait_for("document.getElementById('e3').closest('details').open");
    browser.wait_for("document.getElementById('e3').closest('[hidden]') === null");

    let spoken = browser.spoken();
    let roles = |role: &str| spoken.iter().filter(|(known, _)| known == role).count();
    let says = |role: &str, name: &str| {
        assert!(
            spoken.iter().any(|(known, text)| known == role && text.contains(name)),
            "nothing is a {role} called {name}"
        );
    };
    for landmark in ["banner", "main", "navigation", "search", "contentinfo"] {
        assert_eq!(roles(landmark), 1, "{landmark}");
    }
    says("heading", "127.0.0.1:");
    says("heading", "Findings");
    says("region", "Endpoints");
    says("image", "Findings by severity: ");
    says("image", "Endpoints by grade: ");
    says("table", "Findings, worst first");
    says("table", "Six rules of a Docker host");
    says("columnheader", "Severity");
    says("rowheader", "critical");
    says("link", "10.20.7.0/24: 4 endpoints, worst: critical");
    says("searchbox", "Text");
    says("combobox", "Access");
    // What the filter shows, and that something is copied.
    assert_eq!(roles("status"), 2);
    // A table that is laid out as a grid is still one.
    let rows = browser.eval("document.querySelectorAll('#table tr').length").as_u64().unwrap();
    let table = spoken.iter().position(|(_, name)| name.starts_with("Findings, worst first"));
    let in_table = spoken[table.unwrap()..].iter().filter(|(role, _)| role == "row").count();
    assert!(u64::try_from(in_table).unwrap() >= rows, "{in_table} rows are told of {rows}");
    assert_quiet(&mut browser, &page);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_all_is_there() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = small(folder.path()).await;
    browser.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    browser.open(&page);
    let spoken = browser.spoken();
    let text: String = spoken.iter().map(|(_, name)| format!("{name}\n")).collect();
    for wanted in [
        "api-unauthenticated-plaintext",
        "GET /version 200",
        "CVE-",
        "10.20.7.17:2375",
        "userns-remap",
        "The scan",
        "judged again by docksweep",
    ] {
        assert!(text.contains(wanted), "'{wanted}' is not there");
    }
    // What would do nothing is not offered.
    for role in ["search", "searchbox", "combobox", "button"] {
        assert!(!spoken.iter().any(|(known, _)| known == role), "{role}");
    }
    assert!(!text.contains("TLS_AES_"), "the endpoints are closed");
    browser.click("#list details:nth-child(4) > summary");
    let opened = browser.spoken();
    let says = |wanted: &str| opened.iter().any(|(_, name)| name.contains(wanted));
    assert!(says("TLS_AES_") && says("guarded.example"), "an endpoint opens");
    // Links lead on, also into what is closed.
    browser.click("#table tbody tr a[href^='#e']");
    browser.click("#list details:nth-child(4) a[href^='#c']");
    assert_quiet(&mut browser, &page);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_prints_whole() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = small(folder.path()).await;
    browser.open(&page);
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    browser.call("Emulation.setEmulatedMedia", &dark);
    let paper = "getComputedStyle(document.body).backgroundColor";
    let dark_paper = browser.eval(paper);
    browser.call("Emulation.setEmulatedMedia", &json!({"features": []}));
    assert_eq!(browser.eval(paper), "rgb(255, 255, 255)");
    assert_ne!(dark_paper, "rgb(255, 255, 255)");

    let printed = browser.call("Page.printToPDF", &json!({"printBackground": true}));
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(printed["data"].as_str().unwrap())
        .unwrap();
    let pdf = folder.path().join("report.pdf");
    std::fs::write(&pdf, &bytes).unwrap();
    assert!(bytes.starts_with(b"%PDF-"));
    let info = Command::new("pdftotext").args(["-layout", pdf.to_str().unwrap(), "-"]).output();
    let Ok(info) = info else {
        crate::skip::said("what stands on the paper: there is no pdftotext");
        return;
    };
    let text = String::from_utf8(info.stdout).unwrap();
    let pages = text.matches('\x0c').count();
    assert!(pages > 2, "{pages} pages");
    // What is closed on the screen is open on paper; what only a screen can use is not there.
    for wanted in ["TLS_AES_", "CN of the tests", "GET /version", "userns-remap", "The scan"] {
        assert!(text.contains(wanted), "'{wanted}' is not printed");
    }
    assert!(!text.contains("Clear"));
    assert_quiet(&mut browser, &page);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_endpoints_stay_usable() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = fleet(folder.path(), 10_000, |number| {
        Ipv4Addr::from_bits(Ipv4Addr::new(10, 20, 0, 0).to_bits() + number)
    })
    .await;
    let size = std::fs::metadata(&page).unwrap().len();
    assert!(size <= 15_000_000, "{size} bytes");
    browser.open(&page);
    assert!(status(&mut browser).ends_with(" findings, 10,000 endpoints"));
    browser.click("#f-text");
    browser.type_text("10.20.33.");
    browser.wait_for(
        "document.getElementById('shown').textContent.endsWith('256 of 10,000 endpoints')",
    );
    assert_eq!(browser.eval(&format!("{SHOWN_ITEMS}.length")), 256);
    browser.type_text("7:");
    browser.wait_for(
        "document.getElementById('shown').textContent.endsWith(' 1 of 10,000 endpoints')",
    );
    browser.click("#f-reset");
    browser.click("a.net[data-n='10.20.39.0/24']");
    // 10,000 are 39 whole networks and 16 more.
    browser.wait_for(
        "document.getElementById('shown').textContent.endsWith(' 16 of 10,000 endpoints')",
    );
    browser.click("#f-net");
    browser.wait_for(
        "document.getElementById('shown').textContent.endsWith('findings, 10,000 endpoints')",
    );
    browser.click("th[data-by='rule'] button");

    // What many have alike is written once, and an endpoint that is opened tells it all the same.
    browser.eval("location.hash = '#e9999'");
    browser.wait_for("document.getElementById('e9999').closest('details').open");
    assert_eq!(
        browser.eval(
            "document.getElementById('e9999').previousSibling.querySelector('b').textContent"
        ),
        "10.20.39.15:2375"
    );
    let told = "document.querySelectorAll('#e9999 li > div').length";
    browser.wait_for(&format!("{told} > 2"));
    let findings = "document.getElementById('e9999').previousSibling.lastChild.textContent";
    assert_eq!(
        browser.eval(findings).as_str().unwrap().trim(),
        format!("{} findings", browser.eval(told))
    );
    assert_quiet(&mut browser, &page);
}

/// A certificate and an engine of its own on each: rows stay few, and the texts are with the hosts.
#[tokio::test(flavor = "multi_thread")]
async fn what_differs_on_each_endpoint_is_found_there() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let seen = observations(folder.path()).await;
    let observations = (0..200u8).map(|number| {
        let text = seen[0].to_string().replace("28.5.2", &format!("28.5.2-{number}."));
        let mut observation: Value = serde_json::from_str(&text).unwrap();
        observation["endpoint"]["address"] = json!(Ipv4Addr::new(10, 20, 0, number));
        observation
    });
    let page = page_of(folder.path(), observations.collect());
    browser.open(&page);
    let rows = browser.eval("document.querySelectorAll('#table tbody tr').length");
    assert!(rows.as_u64().unwrap() < 30, "{rows} rows");
    browser.click("#f-text");
    browser.type_text("28.5.2-77.");
    browser.wait_for("document.getElementById('shown').textContent.endsWith('1 of 200 endpoints')");
    browser.eval("document.getElementById('e77').closest('details').open = true");
    browser
        .wait_for("document.querySelector('#e77 li.s4 > div')?.textContent.includes('28.5.2-77.')");
    assert_eq!(browser.eval(&format!("{SHOWN_ROWS}[0].cells[4].dataset.m")), "1 of these fit");
    browser.click("#f-reset");
    browser.wait_for("document.getElementById('shown').textContent.endsWith('s, 200 endpoints')");
    browser.eval(
        "(() => { const it = document.getElementById('order'); it.value = 'grade'; \
         it.dispatchEvent(new Event('change')); })()",
    );
    assert_eq!(browser.eval(&format!("{SHOWN_ITEMS}.length")), 200);
    assert_quiet(&mut browser, &page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_is_copied() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = small(folder.path()).await;
    browser.open(&page);
    let first = "document.querySelector('.remedy pre')";
    let fix = browser.eval(&format!("{first}.textContent.trimEnd()"));
    browser.click(".remedy .copy");
    browser.wait_for("document.querySelector('.remedy .copy').textContent !== 'Copy'");
    browser.wait_for("document.body.lastElementChild.textContent === 'Copied'");
    // Where it went.
    browser.eval("document.body.append(document.createElement('textarea'))");
    browser.click("body > textarea");
    browser.call(
        "Input.dispatchKeyEvent",
        &json!({"type": "keyDown", "key": "v", "code": "KeyV", "modifiers": 2, "commands": ["paste"]}),
    );
    browser.wait_for("document.querySelector('body > textarea').value !== ''");
    assert_eq!(browser.eval("document.querySelector('body > textarea').value"), fix);

    // By the keyboard, where the browser allows nothing: it is selected.
    browser.open(&page);
    browser.eval(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined }); \
         document.execCommand = () => false; 0",
    );
    browser.eval("document.querySelector('#rules a')?.focus(); document.querySelector('.remedy .copy').focus()");
    browser.press("Enter");
    browser.wait_for("document.querySelector('.remedy .copy').textContent.startsWith('Selected')");
    let selected = browser.eval("getSelection().toString().trimEnd()");
    assert_eq!(selected, fix);
    let spoken = browser.spoken();
    assert!(spoken.iter().any(|(role, name)| role == "button" && name.starts_with("Copy: ")));
    assert_quiet(&mut browser, &page);
}

/// What a peer sends is text, however long it is and whatever it looks like.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_does_nothing() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let seen = observations(folder.path()).await;
    let attack = "\"'><script>window.intruder=1</script><img src=x onerror=window.intruder=2>\
        </style></script></details></div></table>{{7*7}}${window.intruder=3}\u{0}\u{202e}\u{1b}[2J\
        <a href=\"javascript:window.intruder=4\">&lt;&#60;";
    let observations = seen.into_iter().zip(1u8..).map(|(mut observation, number)| {
        let long = format!("{attack}{}", "W".repeat(1_000_000));
        for connection in observation["connections"].as_array_mut().unwrap() {
            spoil(&mut connection["exchanges"], if number == 1 { &long } else { attack });
        }
        observation["endpoint"] = json!({"address": Ipv4Addr::new(10, 20, 0, number),
            "port": 2375, "names": [attack], "sni": attack});
        observation
    });
    let page = page_of(folder.path(), observations.collect());
    browser.open(&page);
    assert!(status(&mut browser).ends_with(" findings, 4 endpoints"));
    for number in 0..4 {
        browser.eval(&format!("location.hash = '#e{number}'"));
        browser.wait_for(&format!(
            "document.querySelector('#e{number} li > div') !== null \
             || document.querySelector('#e{number} li') === null"
        ));
    }
    // Escapes are seen, and the filter finds what is typed.
    browser.click("#f-text");
    browser.type_text("onerror=window.intruder=2>");
    browser.wait_for("document.getElementById('shown').textContent.includes('4 endpoints')");
    assert_eq!(browser.eval(&format!("{SHOWN_ITEMS}.length")), 4);
    assert_eq!(browser.eval("typeof window.intruder"), "undefined");
    assert_eq!(
        browser.eval(
            "document.querySelectorAll('img, a[href^=javascript]').length + document.scripts.length"
        ),
        1
    );
    assert_eq!(browser.eval("/[\\u0000\\u202e\\u001b]/.test(document.body.textContent)"), false);
    assert_eq!(
        browser.eval("document.documentElement.scrollWidth <= innerWidth"),
        true,
        "nothing is wider than the window"
    );
    assert_quiet(&mut browser, &page);
}

/// Puts a text wherever the peer could choose one, names of fields aside.
fn spoil(value: &mut Value, text: &str) {
    const CHOSEN: [&str; 10] = [
        "server",
        "version",
        "kernel_version",
        "operating_system",
        "os",
        "name",
        "excerpt",
        "docker_root_dir",
        "git_commit",
        "engine_id",
    ];
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(_) if CHOSEN.contains(&name.as_str()) => *field = json!(text),
                    field => spoil(field, text),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| spoil(entry, text)),
        _ => {}
    }
}

/// That the page is quiet is worth something only if noise would be heard.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_stops_what_does_not_belong() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = small(folder.path()).await;
    browser.open(&page);
    assert_quiet(&mut browser, &page);
    browser.eval(
        "(() => { const it = document.createElement('script'); it.textContent = 'window.intruder = 1'; \
         document.body.append(it); })()",
    );
    assert_eq!(browser.eval("typeof window.intruder"), "undefined");
    assert_eq!(
        browser.eval("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)"),
        "TypeError"
    );
    browser.eval("document.body.setAttribute('style', 'color: red'); 0");
    assert_ne!(browser.eval("getComputedStyle(document.body).color"), "rgb(255, 0, 0)");
    let complaints = browser.complaints();
    assert!(complaints.len() >= 3, "{complaints:?}");
    assert!(complaints.iter().all(|it| it.contains("Content Security Policy")), "{complaints:?}");
}
