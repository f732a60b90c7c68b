//! `cargo xtask bench`: figures, as ratios within one run where another machine would give others.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;

use crate::{
    plot::{Bar, Chart},
    run::{Failure, cargo, command, output, root, run, target},
    runtime_api::RuntimeApi,
    server::{Background, Latchkey},
    suites::now,
    tools,
};

/// Calls of a warm function.
const WARM_CALLS: usize = 50;

/// What was measured of one function.
struct Figures {
    name: String,
    /// From the start of the process to its first question for an event.
    init_ms: f64,
    /// From the first event to its answer.
    first_ms: f64,
    warm_ms: f64,
    peak_mib: f64,
    size_mb: f64,
}

/// Starts every function as Lambda does, beside Node.js doing the same read, prints a table and draws it.
pub(crate) fn cold(profile: &str, starts: usize) -> Result<(), Failure> {
    let node = tools::aws_sdk_for_node()?;
    run(&mut cargo(&["build", "--profile", profile, "--package", "functions", "--bins"]))?;
    run(&mut cargo(&["build", "--package", "local"]))?;
    let server = Latchkey::start("debug", "bench", &["--dynamodb-port", "0"])?;
    let samples = Samples::new(&server)?;
    let api = RuntimeApi::start()?;

    let mut all = Vec::new();
    let mut names: Vec<PathBuf> =
        fs::read_dir(root().join("functions/src/bin"))?.map(|file| Ok(file?.path())).collect::<Result<_, Failure>>()?;
    names.sort();
    for source in names {
        let name = source.file_stem().unwrap_or_default().display().to_string();
        let program = target().join(profile).join(&name);
        all.push(measure(&name, &program, &[], &api, &server, &samples.event(&name)?, starts)?);
    }
    fs::write(node.join("function.js"), NODE_FUNCTION)?;
    let script = node.join("function.js").display().to_string();
    let event = samples.event("users")?;
    let by_node = measure("Node.js 20 + SDK", Path::new("node"), &[&script], &api, &server, &event, starts)?;

    println!("\n{starts} starts and {WARM_CALLS} warm calls of each, medians; profile {profile}\n");
    println!("| function | init ms | first ms | init + first | warm ms | peak MiB | size MB |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for figures in all.iter().chain([&by_node]) {
        println!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.2} | {:.1} | {:.2} |",
            figures.name,
            figures.init_ms,
            figures.first_ms,
            figures.init_ms + figures.first_ms,
            figures.warm_ms,
            figures.peak_mib,
            figures.size_mb
        );
    }
    let most = |of: fn(&Figures) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let slowest = most(|figures| figures.init_ms + figures.first_ms);
    println!(
        "\nslowest init {:.1} ms, largest {:.2} MB, most memory {:.1} MiB; Node.js takes {:.0} times the init of our \
         slowest and {:.0} times its init + first",
        most(|figures| figures.init_ms),
        most(|figures| figures.size_mb),
        most(|figures| figures.peak_mib),
        by_node.init_ms / most(|figures| figures.init_ms),
        (by_node.init_ms + by_node.first_ms) / slowest,
    );
    draw(&all, &by_node)
}

/// Draws how soon functions are there and answer, and what they take.
fn draw(all: &[Figures], by_node: &Figures) -> Result<(), Failure> {
    let groups = |of: fn(&Figures) -> Vec<Bar>| {
        all.iter().chain([by_node]).map(|figures| (figures.name.clone(), of(figures))).collect()
    };
    Chart {
        title: "Milliseconds, medians: from the start of a process, and of a call when it is warm",
        series: &["start to ready".to_owned(), "start to first answer".to_owned(), "warm call".to_owned()],
        groups: groups(|figures| {
            [figures.init_ms, figures.init_ms + figures.first_ms, figures.warm_ms].map(millis).into()
        }),
    }
    .write("cold")?;
    Chart {
        title: "What each function takes: most memory in MiB, program in MB",
        series: &["memory".to_owned(), "program".to_owned()],
        groups: groups(|figures| {
            let memory = Bar { value: figures.peak_mib, text: format!("{:.1} MiB", figures.peak_mib) };
            let program = Bar { value: figures.size_mb, text: format!("{:.1} MB", figures.size_mb) };
            // That of Node.js is no file of ours.
            if figures.size_mb > 0.0 { vec![memory, program] } else { vec![memory] }
        }),
    }
    .write("memory")
}

fn millis(value: f64) -> Bar {
    Bar { value, text: format!("{value:.2} ms") }
}

/// Counts the instructions of one check of a key and of a token: those of a process that made many of them, less those of one
/// that made few.
pub(crate) fn instructions(profile: &str) -> Result<(), Failure> {
    const FEW: usize = 100;
    const MANY: usize = 600;
    let valgrind = tools::valgrind()?;
    run(&mut cargo(&["build", "--profile", profile, "--package", "functions", "--bin", "authorizer"]))?;
    run(&mut cargo(&["build", "--package", "local"]))?;
    let server = Latchkey::start("debug", "bench", &["--dynamodb-port", "0"])?;
    let samples = Samples::new(&server)?;
    let api = RuntimeApi::start()?;
    let by_key = samples.event("authorizer")?;
    let mut event: Value = serde_json::from_str(&by_key)?;
    let headers = event["headers"].as_object_mut().ok_or("the event has headers")?;
    headers.retain(|name, _| !name.eq_ignore_ascii_case("apikey"));
    headers.insert("authorization".to_owned(), samples.token.clone().into());
    let by_token = event.to_string();
    let program = target().join(profile).join("authorizer").display().to_string();
    println!("\n| the authorizer | instructions |\n| --- | ---: |");
    for (name, event) in [("a check of a key", by_key), ("a check of a token", by_token)] {
        let mut counts = [0; 2];
        for (count, calls) in counts.iter_mut().zip([FEW, MANY]) {
            let counted = target().join("xtask/callgrind");
            let out = format!("--callgrind-out-file={}", counted.display());
            let mut function =
                function(Path::new(valgrind), &["--tool=callgrind", &out, &program], &api, &server, "authorizer")?;
            let mut process = Background(function.spawn()?);
            let mut waiting = api.accept()?;
            for _ in 0..calls {
                let (_, answer) = waiting.invoke(&api, &event)?;
                if serde_json::from_str::<Value>(&answer)?["isAuthorized"] != true {
                    return Err(format!("{name} was answered {answer}").into());
                }
            }
            // It writes its counts when it is asked to end.
            run(&mut command("kill", &[&process.0.id().to_string()]))?;
            let _ = process.0.wait()?;
            let counts = fs::read_to_string(counted)?;
            let line = counts.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
            *count = line.ok_or("callgrind tells a total")?.trim().parse::<u64>()?;
        }
        println!("| {name} | {} |", (counts[1] - counts[0]) / u64::try_from(MANY - FEW)?);
    }
    Ok(())
}

/// A function as Lambda starts it.
fn function(
    program: &Path,
    arguments: &[&str],
    api: &RuntimeApi,
    server: &Latchkey,
    name: &str,
) -> Result<std::process::Command, Failure> {
    let mut function = command(program, arguments);
    function.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for line in fs::read_to_string(server.data.join("lambda.env"))?.lines() {
        let (name, value) = line.split_once('=').ok_or("a setting has a name and a value")?;
        function.env(name, value);
    }
    // What Lambda sets.
    function
        .env("AWS_LAMBDA_RUNTIME_API", api.address()?)
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("METRICS_SERVICE", "bench")
        .env("MAIL_FROM", "bench@example.com")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(function)
}

/// The events of the repository with credentials that hold.
struct Samples {
    key: String,
    token: String,
    key_uid: String,
}

impl Samples {
    fn new(server: &Latchkey) -> Result<Self, Failure> {
        let url = format!("http://127.0.0.1:{}", server.port);
        let key = server.exported("USER_KEY")?;
        let header = format!("ApiKey: {key}");
        let ask = |method: &str, path: &str| -> Result<Value, Failure> {
            let url = format!("{url}{path}");
            let printed = output(&mut command("curl", &["-sS", "--noproxy", "*", "-X", method, "-H", &header, &url]))?;
            Ok(serde_json::from_str(&printed)?)
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let token = text(&ask("POST", "/v1/auth/authenticate")?["Authorization"]);
        let key_uid = text(&ask("GET", "/v1/apiKeys")?["items"][0]["metadata"]["uid"]);
        Ok(Self { key, token, key_uid })
    }

    fn event(&self, name: &str) -> Result<String, Failure> {
        let event = fs::read_to_string(root().join("events").join(format!("{name}.json")))?;
        let sample: Value = serde_json::from_str(&event)?;
        let token = sample["headers"]["authorization"].as_str().unwrap_or("no token here");
        // Revoking nothing, or the next call would come with a revoked token.
        let event = event.replace(&format!("\\\"{token}\\\""), "");
        let event = event.replace(&format!("lk_{}", "0".repeat(65)), &self.key).replace(token, &self.token);
        let event =
            event.replace("\"6a0f1c2b3d4e5f60718293b7\"", "null").replace("\\\"6a0f1c2b3d4e5f60718293b7\\\"", "null");
        // Reading and listing find something; changing finds nothing, so that it can be done again and again.
        Ok(if name == "api_key_get" { event.replace("6a0f1c2b3d4e5f60718293c9", &self.key_uid) } else { event })
    }
}

fn measure(
    name: &str,
    program: &Path,
    arguments: &[&str],
    api: &RuntimeApi,
    server: &Latchkey,
    event: &str,
    starts: usize,
) -> Result<Figures, Failure> {
    let (mut init, mut first, mut warm, mut peak) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for start in 0..starts {
        let mut function = function(program, arguments, api, server, name)?;
        let started_at = now();
        let process = Background(function.spawn()?);
        let mut waiting = api.accept()?;
        init.push((waiting.asked_at - started_at).as_secs_f64() * 1000.0);
        let (millis, answer) = waiting.invoke(api, event)?;
        let said: Value = serde_json::from_str(&answer)?;
        // What is called by streams and schedules, or decides for others, gives no status; it must have found nothing amiss.
        let (status, is_well) = match said["statusCode"].as_u64() {
            Some(status) => (status.to_string(), status != 401 && status < 500),
            None => {
                let failures = said["batchItemFailures"].as_array().map_or(0, Vec::len);
                (answer.clone(), failures == 0 && said["isAuthorized"] != false && said.is_object())
            }
        };
        if start == 0 {
            println!("{name}: {status}");
        }
        if !is_well {
            return Err(format!("{name} answered {answer}").into());
        }
        first.push(millis);
        for _ in 0..WARM_CALLS.div_ceil(starts) {
            warm.push(waiting.invoke(api, event)?.0);
        }
        peak.push(peak_mib(process.0.id())?);
    }
    let kilobytes = fs::metadata(program).map_or(0, |file| file.len() / 1000);
    let size = f64::from(u32::try_from(kilobytes)?) / 1000.0;
    Ok(Figures {
        name: name.to_owned(),
        init_ms: median(init),
        first_ms: median(first),
        warm_ms: median(warm),
        peak_mib: peak.into_iter().fold(0.0, f64::max),
        size_mb: size,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The most memory that a process has held at once.
fn peak_mib(process: u32) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the kernel tells the peak")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// The read that checks an API key, with the AWS SDK for JavaScript, in the loop that a Node.js runtime is.
const NODE_FUNCTION: &str = r#"
const http = require("http");
const { DynamoDBClient, BatchGetItemCommand } = require("@aws-sdk/client-dynamodb");
const client = new DynamoDBClient({});
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
async function handler(event) {
  let number = 0n;
  for (const char of event.headers.apikey.slice(3)) number = number * 62n + BigInt(ALPHABET.indexOf(char));
  const bytes = number.toString(16).padStart(96, "0");
  const found = await client.send(new BatchGetItemCommand({ RequestItems: {
    [process.env.TENANTS_TABLE]: { ConsistentRead: true, Keys: [{ pk: { S: "USER#" + bytes.slice(0, 24) }, sk: { S: "PROFILE" } }] },
    [process.env.KEYS_TABLE]: { ConsistentRead: true, Keys: [{ uid: { S: bytes.slice(24, 48) } }] },
  } }));
  const [user] = found.Responses[process.env.TENANTS_TABLE];
  return { statusCode: 200, body: JSON.stringify({ name: user.first_name.S }) };
}
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const base = "/2018-06-01/runtime/invocation/";
function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: base + path, headers: body ? { "content-length": Buffer.byteLength(body) } : {} }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ headers: response.headers, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}
(async () => {
  for (;;) {
    const { headers, text } = await call("GET", "next");
    const answer = await handler(JSON.parse(text));
    await call("POST", headers["lambda-runtime-aws-request-id"] + "/response", JSON.stringify(answer));
  }
})();
"#;
