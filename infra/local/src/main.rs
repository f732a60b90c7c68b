//! `latchkey`: the whole service on localhost.

use std::{
    error::Error,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Parser, Subcommand};
use domain::audit::{self, Verified};
use dynoxide::Database;
use functions::{
    app::{Entropy, Settings},
    metrics::Metrics,
    signing::Sealer,
    sso::Social,
    sweeper,
};
use local::{
    Service,
    backend::Backend,
    data_dir::DataDir,
    demo::{self, Demo},
    export::{export, export_trail},
    gateway,
    mailbox::Mailbox,
    outside::outside,
    policy::Witness,
    seed::{self, seed},
    server::Server,
    service::Options,
};
use tokio::net::TcpListener;

/// A sixth of the time of a request goes into memory with the allocator of the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole of Latchkey on localhost, on an embedded DynamoDB.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// The port to serve on; 0 takes a free one
    #[arg(long, default_value_t = 9000, global = true)]
    port: u16,
    /// The folder that keeps the data
    #[arg(long, default_value = ".latchkey", global = true)]
    data: PathBuf,
    /// Open the embedded DynamoDB on this port of the loopback interface too, as `cargo lambda watch` needs
    #[arg(long, global = true)]
    dynamodb_port: Option<u16>,
    /// Use the DynamoDB at this URL in place of the embedded one
    #[arg(long, global = true)]
    dynamodb_url: Option<String>,
    /// The address that people reach it at, if not localhost; several on one DynamoDB take each other's tokens if they have
    /// the same, and the same sealing.key in their data
    #[arg(long, global = true)]
    public_url: Option<String>,
    /// Let nobody sign up a new organization
    #[arg(long, global = true)]
    invitation_only: bool,
    /// Append the calls of DynamoDB and KMS of each request to this file, a line of JSON each
    #[arg(long, global = true)]
    trace: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Fill the tables with tenants, users and keys, and print a key of each user
    Seed {
        /// Tenants
        #[arg(long, default_value_t = 1)]
        tenants: usize,
        /// Users of each tenant, the first an admin
        #[arg(long, default_value_t = 10)]
        users: usize,
        /// Keys of each user
        #[arg(long, default_value_t = 10)]
        keys: usize,
        /// So many keys that expire within the hour, the others in a hundred days at the earliest
        #[arg(long)]
        expiring: Option<usize>,
    },
    /// Print every item of the tables, a line of JSON each
    Export,
    /// The audit trail of one organization
    Audit {
        #[command(subcommand)]
        what: Audit,
    },
    /// Replace the key that signs tokens, as happens every 30 days
    Rotate {
        /// Remove this key at once, with every token that it has signed
        #[arg(long)]
        revoke: Option<String>,
    },
    /// Call one function with the event on standard input and print what it answers
    Invoke {
        /// Such as `authenticate`
        function: String,
    },
}

#[derive(Subcommand)]
enum Audit {
    /// Print its records in the order of their chain, a line of JSON each, and how far the chain goes
    Export {
        /// The name of the organization
        org: String,
    },
    /// Check such an export, and name the first record that was changed, moved or taken out
    Verify {
        /// The file
        file: PathBuf,
    },
}

#[tokio::main]
async fn main() {
    if let Err(error) = Box::pin(run(Arguments::parse())).await {
        eprintln!("latchkey: {error}");
        std::process::exit(1);
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    functions::http::init_log();
    if let Some(Command::Audit { what: Audit::Verify { file } }) = &arguments.command {
        return verify(file);
    }
    let entropy = Entropy::system();
    let data = DataDir::open(&arguments.data)?;
    let data = if arguments.dynamodb_url.is_none() { data.hold()? } else { data };
    let clock = data.clock();
    let listener = match arguments.command {
        None => Some(listen(arguments.port, "--port").await?),
        Some(_) => None,
    };
    let port = listener.as_ref().map_or(Ok(arguments.port), |listener| listener.local_addr().map(|at| at.port()))?;
    let (backend, database) = match arguments.dynamodb_url {
        Some(url) => (Backend::Remote(url), None),
        None => {
            let database = open_database(&data.database())?;
            (Backend::Embedded(database.clone()), Some(database))
        }
    };
    let local_url = format!("http://localhost:{port}");
    let public_url = arguments.public_url.map_or_else(|| local_url.clone(), |url| url.trim_end_matches('/').to_owned());
    let service = Service::start(Options {
        backend,
        table_prefix: String::new(),
        clock: clock.clone(),
        settings: Settings {
            public_url: public_url.clone(),
            audience: "latchkey".to_owned(),
            sign_up: !arguments.invitation_only,
            social: Social::from_env(),
        },
        outside: outside(),
        metrics: Metrics::default(),
        witness: Witness::default(),
        mailbox: Mailbox::Folder(data.mail()),
        sealer: Sealer::from_bytes(&data.sealing_key(&entropy)?),
    })
    .await?;

    match (arguments.command, listener) {
        (Some(Command::Seed { tenants, users, keys, expiring }), _) => {
            if let Some(database) = &database {
                database.enable_bulk_loading()?;
            }
            seed(&service, &entropy, clock.now(), seed::Size { tenants, users, keys, expiring }).await?;
            service.link_records().await;
        }
        (Some(Command::Export), _) => export(&service, &mut io::BufWriter::new(io::stdout())).await?,
        (Some(Command::Audit { what: Audit::Export { org } }), _) => {
            export_trail(&service, &org, clock.now(), &mut io::BufWriter::new(io::stdout())).await?;
        }
        (Some(Command::Audit { what: Audit::Verify { .. } }), _) => unreachable!("it needs no tables"),
        (Some(Command::Rotate { revoke }), _) => {
            let rotate = revoke.is_none();
            let report = service.sweep(sweeper::Event { revoke, rotate }).await?;
            println!("{}", serde_json::to_string(&report)?);
        }
        (Some(Command::Invoke { function }), _) => invoke(&service, &function).await?,
        (None, Some(listener)) => {
            if is_empty(&service).await? {
                greet(&demo::create(&service.store, &entropy, clock.now()).await?, &public_url);
            }
            if let Some(database) = &database {
                sweep_ttl(database.clone());
                if let Some(port) = arguments.dynamodb_port {
                    open_dynamodb(database.clone(), port, &data, &public_url, &service).await?;
                }
            }
            service.find_undelivered().await?;
            service.link_records().await;
            service.deliver_mails().await;
            let service = Arc::new(service);
            tokio::spawn(sweep(service.clone()));
            // Before anybody hears that it is ready, and may stop it at once.
            let stopped = stopped();
            println!(
                "Latchkey is ready on {local_url} (mails on /dev/mail, data in {}, Ctrl-C stops it)",
                arguments.data.display()
            );
            Server::new(service, arguments.trace).await?.run(listener, stopped).await;
        }
        (None, None) => unreachable!("without a command there is a listener"),
    }
    Ok(())
}

fn verify(file: &Path) -> Result<(), Box<dyn Error>> {
    let export = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let Verified { count, first_seq, head } = audit::verify(&export)?;
    println!(
        "{count} records, from number {first_seq} of the chain on, none changed, moved or taken out; the chain ends at {} with {}",
        head.seq, head.hash
    );
    Ok(())
}

async fn listen(port: u16, option: &str) -> Result<TcpListener, String> {
    let listening = TcpListener::bind(("127.0.0.1", port)).await;
    listening.map_err(|error| format!("port {port} cannot be used ({error}); choose another with {option}"))
}

fn open_database(path: &Path) -> Result<Database, Box<dyn Error>> {
    let text = path.to_str().ok_or("the path of the data folder must be valid UTF-8")?;
    Ok(Database::new(text).map_err(|error| format!("{}: {error}", path.display()))?)
}

async fn is_empty(service: &Service) -> Result<bool, Box<dyn Error>> {
    let scan = serde_json::json!({ "TableName": service.table_names().tenants, "Limit": 1 });
    let found = service.backend.execute("Scan", &scan).await?;
    Ok(found["Items"].as_array().is_none_or(Vec::is_empty))
}

/// In the cloud a schedule does this every hour. Here nobody wants to wait for so long.
async fn sweep(service: Arc<Service>) {
    loop {
        if let Err(error) = service.sweep(sweeper::Event::default()).await {
            tracing::error!(%error, "not everything was swept");
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
}

/// DynamoDB removes expired items by itself; the emulator when it is told to.
fn sweep_ttl(database: Database) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_mins(1));
            if let Err(error) = database.sweep_ttl() {
                tracing::warn!(%error, "expired items were not removed");
            }
        }
    });
}

/// Opens the embedded DynamoDB for `cargo lambda watch` and writes the settings that its functions need.
async fn open_dynamodb(
    database: Database,
    port: u16,
    data: &DataDir,
    public_url: &str,
    service: &Service,
) -> Result<(), Box<dyn Error>> {
    let listener = listen(port, "--dynamodb-port").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let names = service.table_names();
    let env = format!(
        "TENANTS_TABLE={}\nKEYS_TABLE={}\nAUDITS_TABLE={}\nPUBLIC_URL={public_url}\nTOKEN_AUDIENCE=latchkey\nSIGN_UP=open\nMAIL_FROM=no-reply@localhost\nSEALING_KEY_FILE={}\n\
         AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:{port}\nAWS_REGION=local\nAWS_ACCESS_KEY_ID=local\n\
         AWS_SECRET_ACCESS_KEY=local\nAWS_EC2_METADATA_DISABLED=true\n",
        names.tenants,
        names.keys,
        names.audits,
        std::path::absolute(data.sealing_key_file())?.display(),
    );
    std::fs::write(data.lambda_env(), env)?;
    println!("DynamoDB answers on http://127.0.0.1:{port}; settings for its users in {}", data.lambda_env().display());
    Ok(())
}

async fn invoke(service: &Service, name: &str) -> Result<(), Box<dyn Error>> {
    let functions = &service.template.functions;
    let function = functions.iter().find(|function| function.name == name).ok_or_else(|| {
        let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
        format!("there is no function {name}; there are {}", names.join(", "))
    })?;
    let mut event = String::new();
    io::stdin().read_to_string(&mut event)?;
    match function.name.as_str() {
        "sweeper" => {
            // What another process has left behind.
            service.find_undelivered().await?;
            let report = service.sweep(serde_json::from_str(&event)?).await?;
            println!("{}", serde_json::to_string(&report)?);
        }
        "authorizer" => {
            let answer = service.authorize(serde_json::from_str(&event)?).await?;
            println!("{}", serde_json::to_string(&answer)?);
        }
        "mailer" | "audit_chain" => {
            return Err("the streams of the tables call it; here the server does so by itself".into());
        }
        _ => println!("{}", gateway::invoke(service, function, &event).await?),
    }
    Ok(())
}

fn greet(demo: &Demo, url: &str) {
    let (admin, user) = (&demo.admin, &demo.user);
    println!(
        "Latchkey made a demo organization, {org}. Its credentials are shown this once:

  {admin_name}, Tenant Admin, {admin_email}, password {password}
    export ADMIN_KEY={admin_key}
  {user_name}, no role, {user_email}
    export USER_KEY={user_key}

Paste the two lines above into another terminal, then try:

    export URL={url}
    curl -sS -H \"ApiKey: $USER_KEY\" $URL/v1/users/me
    curl -sS -H \"ApiKey: $ADMIN_KEY\" $URL/v1/apiKeys
    curl -sS -X POST -H \"ApiKey: $USER_KEY\" $URL/v1/auth/authenticate
",
        org = demo.tenant.org_name,
        admin_name = admin.0.name(),
        admin_email = admin.0.email,
        password = demo.password,
        admin_key = admin.1.expose(),
        user_name = user.0.name(),
        user_email = user.0.email,
        user_key = user.1.expose(),
    );
}

/// Waits until somebody stops the server. Signals count from the call on, not only once it is awaited.
fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = [SignalKind::terminate(), SignalKind::interrupt()];
    let [mut terminated, mut interrupted] = signals.map(|kind| signal(kind).expect("signals can be waited for"));
    async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    }
}
