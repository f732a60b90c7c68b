//! Every function with what it has at hand, on one DynamoDB.

use std::{collections::BTreeMap, sync::Arc};

use functions::{
    App, Signer, api_keys,
    app::{Clock, Entropy, Settings},
    audits, authenticate,
    authorizer::{self, AuthorizerError},
    console, discovery, http,
    mailer::{self, MailError},
    metrics::Metrics,
    organizations,
    outbound::Outside,
    password_hash::Hasher,
    passwords, projects, refresh, revoke_tokens, roles, sessions, sign_up,
    signing::Sealer,
    sso, sweeper, tenant_settings, users,
};
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use serde_json::{Value, json};
use store::{OutgoingMail, Store, TableNames};

use crate::{
    backend::{Backend, BackendError},
    connector::{self, Images, Posted},
    faults::Faults,
    kms,
    mailbox::Mailbox,
    policy::{Access, Guard, Witness},
    template::{Function, Template},
};

/// The identity in SES by which mails are sent, as the template names it.
const MAIL_IDENTITY: &str = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${MailIdentity}";

/// Every function with what it has at hand.
#[derive(Debug)]
pub struct Service {
    /// What the template says.
    pub template: Template,
    /// Where the tables are.
    pub backend: Backend,
    /// For the server's own work: no policy confines it.
    pub store: Store,
    /// What goes wrong at DynamoDB and KMS, when a test wants it to.
    pub faults: Faults,
    /// Where mails go.
    pub mailbox: Mailbox,
    posted: Posted,
    linking: tokio::sync::Mutex<()>,
    tables: BTreeMap<String, String>,
    running: BTreeMap<String, Running>,
}

/// A function, warm: like an instance on Lambda it keeps its keys, and shares nothing with the others.
#[derive(Debug)]
struct Running {
    app: App,
    signer: Signer,
    sealer: Sealer,
    guard: Guard,
}

/// What a service is started with.
#[derive(Debug)]
pub struct Options {
    /// Where the tables are, or are made.
    pub backend: Backend,
    /// Begins the name of every table, so that several services can share a DynamoDB.
    pub table_prefix: String,
    /// What time it is.
    pub clock: Clock,
    /// What a deployment sets.
    pub settings: Settings,
    /// Seals the signing keys.
    pub sealer: Sealer,
    /// Where mails go.
    pub mailbox: Mailbox,
    /// What functions may ask elsewhere.
    pub outside: Outside,
    /// What operators watch.
    pub metrics: Metrics,
    /// Sees what functions do.
    pub witness: Witness,
}

impl Service {
    /// Makes the tables that are missing and every function of the template.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if DynamoDB refuses or does not answer.
    pub async fn start(options: Options) -> Result<Self, BackendError> {
        let template = Template::load();
        let tables: BTreeMap<String, String> = template
            .tables
            .iter()
            .map(|table| (table.resource.clone(), format!("{}{}", options.table_prefix, table.resource)))
            .collect();
        options.backend.create_tables(&template, |resource| tables[resource].clone()).await?;

        let resources: Arc<BTreeMap<_, _>> =
            Arc::new(tables.iter().map(|(resource, name)| (name.clone(), resource.clone())).collect());
        let (faults, posted) = (Faults::default(), Posted::default());
        // All functions share the machine, so they share the queue too. One core stays free for everything else.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let hasher = Hasher::new((cores / 2).max(1));
        let store = |guard: Option<Guard>| {
            let client = connector::client(&options.backend, guard, resources.clone(), faults.clone(), posted.clone());
            Store::new(client, table_names(&tables), Entropy::system().jitter())
        };
        let running = template.functions.iter().map(|function| {
            let guard = Guard {
                function: function.name.clone(),
                policy: function.policy.clone(),
                witness: options.witness.clone(),
            };
            let sealer = kms::sealer(options.sealer.clone(), guard.clone(), faults.clone());
            let app = App::new(
                store(Some(guard.clone())),
                options.clock.clone(),
                options.settings.clone(),
                hasher.clone(),
                options.outside.clone(),
            )
            .with_metrics(options.metrics.clone());
            let signer = Signer::new(sealer.clone());
            (function.name.clone(), Running { app, signer, sealer, guard })
        });
        Ok(Self {
            running: running.collect(),
            store: store(None),
            faults,
            posted,
            linking: tokio::sync::Mutex::default(),
            mailbox: options.mailbox,
            backend: options.backend,
            tables,
            template,
        })
    }

    /// The names of the tables.
    pub fn table_names(&self) -> TableNames {
        table_names(&self.tables)
    }

    /// What a function has at hand, for tests that call it with events of another kind.
    ///
    /// # Panics
    ///
    /// If the template has no function of this name.
    pub fn app(&self, function: &str) -> &App {
        &self.running[function].app
    }

    /// Calls a function of the template.
    ///
    /// # Panics
    ///
    /// If the template has a function that is not wired here, which a test excludes.
    pub async fn invoke(&self, function: &Function, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let Running { app, signer, sealer, .. } = &self.running[&function.name];
        match function.name.as_str() {
            "authenticate" => {
                http::answer_event(app, event, |request| authenticate::handle(app, signer, request)).await
            }
            "refresh" => http::answer_event(app, event, |request| refresh::handle(app, signer, request)).await,
            "sessions" => http::answer_event(app, event, |request| sessions::handle(app, signer, request)).await,
            "revoke_tokens" => http::answer_event(app, event, |request| revoke_tokens::handle(app, request)).await,
            "api_key_create" => http::answer_event(app, event, |request| api_keys::create::handle(app, request)).await,
            "api_key_list" => http::answer_event(app, event, |request| api_keys::list::handle(app, request)).await,
            "api_key_get" => http::answer_event(app, event, |request| api_keys::get::handle(app, request)).await,
            "api_key_update" => http::answer_event(app, event, |request| api_keys::update::handle(app, request)).await,
            "api_key_set_state" => {
                http::answer_event(app, event, |request| api_keys::set_state::handle(app, request)).await
            }
            "api_key_delete" => http::answer_event(app, event, |request| api_keys::delete::handle(app, request)).await,
            "sign_up" => http::answer_event(app, event, |request| sign_up::handle(app, request)).await,
            "organizations" => {
                http::answer_event(app, event, |request| organizations::handle(app, signer, request)).await
            }
            "sso" => http::answer_event(app, event, |request| sso::handle(app, signer, request)).await,
            "passwords" => http::answer_event(app, event, |request| passwords::handle(app, request)).await,
            "roles" => http::answer_event(app, event, |request| roles::handle(app, request)).await,
            "tenant_settings" => {
                http::answer_event(app, event, |request| tenant_settings::handle(app, sealer, request)).await
            }
            "projects" => http::answer_event(app, event, |request| projects::handle(app, request)).await,
            "audits" => http::answer_event(app, event, |request| audits::handle(app, request)).await,
            "console" => http::answer_event(app, event, |request| console::handle(app, signer, request)).await,
            "users" => http::answer_event(app, event, |request| users::handle(app, request)).await,
            "discovery" => http::answer_event(app, event, |request| discovery::handle(app, request)).await,
            other => panic!("the function {other} of the template is not wired into the local server"),
        }
    }
}

impl Service {
    /// Sends what has been written to the outbox, by the function that the stream of the table would call. What is not
    /// taken stays for the next time.
    pub async fn deliver_mails(&self) {
        self.deliver_mails_by(|mail| std::future::ready(self.mailbox.take(mail))).await;
    }

    /// The same, by another carrier than the mailbox.
    ///
    /// # Panics
    ///
    /// If the table holds what is no mail in the place of one.
    pub async fn deliver_mails_by<F>(&self, carry: impl Fn(OutgoingMail) -> F)
    where
        F: Future<Output = Result<(), MailError>>,
    {
        let Running { app, guard, .. } = &self.running["mailer"];
        let carry = |mail| {
            let sends = Access::call("ses:SendEmail", MAIL_IDENTITY);
            let allowed = guard.check(&[sends], |identity| Some(identity.to_owned()));
            let carried = allowed.is_ok().then(|| carry(mail));
            async {
                let not_authorized = || MailError::Carrier("not authorized to perform ses:SendEmail".to_owned());
                carried.ok_or_else(not_authorized)?.await
            }
        };
        for image in self.posted.take_mails() {
            let event = json!({ "Records": [{ "eventName": "INSERT", "dynamodb": { "NewImage": image } }] });
            let event = serde_json::from_value(event).expect("it has the form of a stream's event");
            if !mailer::handle(app, event, &carry).await.is_complete() {
                self.posted.put(Images { mails: vec![image], ..Images::default() });
            }
        }
    }

    /// Gives the records that were written to the audit trail their places in the chain, by the function that the stream
    /// of the table would call.
    ///
    /// # Panics
    ///
    /// If an item of the audit trail is none.
    pub async fn link_records(&self) {
        // As the stream does: one batch after the other.
        let _one_of = self.linking.lock().await;
        let records = self.posted.take_records();
        if records.is_empty() {
            return;
        }
        let event: Vec<Value> = records
            .iter()
            .map(|image| json!({ "eventName": "INSERT", "dynamodb": { "NewImage": image, "SequenceNumber": "0" } }))
            .collect();
        let event = serde_json::from_value(json!({ "Records": event })).expect("it has the form of a stream's event");
        if !audits::link(&self.running["audit_chain"].app, event).await.is_complete() {
            self.posted.put(Images { records, ..Images::default() });
        }
    }

    /// Decides on a request to another API, by the function that its gateway would call.
    ///
    /// # Errors
    ///
    /// Those of the function.
    pub async fn authorize(&self, event: authorizer::Event) -> Result<authorizer::Answer, AuthorizerError> {
        authorizer::handle(&self.running["authorizer"].app, event).await
    }

    /// Does what time has brought, by the function that the schedule would call.
    ///
    /// # Errors
    ///
    /// Those of the function.
    pub async fn sweep(&self, event: sweeper::Event) -> Result<sweeper::Report, sweeper::SweepError> {
        let Running { app, sealer, .. } = &self.running["sweeper"];
        let report = sweeper::handle(app, sealer, event).await;
        self.link_records().await;
        self.deliver_mails().await;
        report
    }

    /// Takes up the mails and records that were written before a crash and not delivered.
    ///
    /// # Errors
    ///
    /// [`BackendError`].
    pub async fn find_undelivered(&self) -> Result<(), BackendError> {
        let unlinked = json!({
            "TableName": self.table_names().audits,
            "FilterExpression": "begins_with(pk, :start) AND attribute_not_exists(seq)",
            "ExpressionAttributeValues": { ":start": { "S": "TENANT#" } },
        });
        let unsent = json!({
            "TableName": self.table_names().tenants,
            "FilterExpression": "begins_with(pk, :start)",
            "ExpressionAttributeValues": { ":start": { "S": "MAIL#" } },
        });
        let (records, mails) = (self.scan(unlinked).await?, self.scan(unsent).await?);
        self.posted.put(Images { mails, records });
        Ok(())
    }

    async fn scan(&self, request: Value) -> Result<Vec<Value>, BackendError> {
        let mut found = Vec::new();
        let take = |item: &Value| {
            found.push(item.clone());
            Ok::<_, BackendError>(())
        };
        self.backend.scan(request, take).await?;
        Ok(found)
    }
}

fn table_names(tables: &BTreeMap<String, String>) -> TableNames {
    let name = |resource: &str| tables[resource].clone();
    TableNames { tenants: name("TenantsTable"), keys: name("KeysTable"), audits: name("AuditsTable") }
}
