//! The Lambda functions of Latchkey.
//!
//! One file per operation, in the words of `infra/template.yaml`; `src/bin` has one small binary per function. A
//! request passes four rooms: the route of the template, the operation's file here, [`caller`] with the store, the
//! rules of `domain`. What every operation shares:
//!
//! - [`app`]: the store and everything that is not a pure value: clock, randomness, environment
//! - [`caller`]: credentials of a request → principal, the one place
//! - [`http`], [`error`]: reading requests, writing responses · every error → status, code, JSON
//! - [`signing`]: the keys that sign and verify tokens
//! - [`person`], [`password_hash`]: the one door for passwords · their hashing
//! - [`outbound`]: requests to addresses that somebody else has named
//! - [`openapi`]: the wire as a document, of the types that are read and written
//! - [`mail`]: what mails say, and the outbox that [`mailer`] empties
//! - [`audits`]: the trail of what happened, and the chain that shows whether it was changed
//! - [`sweeper`]: what time brings: expiry, notices, new signing keys
//! - [`authorizer`]: [`caller`] for the APIs of others · [`metrics`]: what operators watch

pub mod api_keys;
pub mod app;
mod audit;
pub mod audits;
pub mod authenticate;
pub mod authorizer;
pub mod aws;
pub mod caller;
pub mod console;
pub mod discovery;
pub mod dns;
pub mod error;
pub mod http;
pub mod mail;
pub mod mailer;
pub mod metrics;
pub mod openapi;
pub mod organizations;
pub mod outbound;
pub mod password_hash;
pub mod passwords;
pub mod person;
pub mod projects;
pub mod refresh;
pub mod revoke_tokens;
pub mod roles;
pub mod sessions;
mod sign_in;
pub mod sign_up;
pub mod signing;
pub mod sso;
mod strict_json;
pub mod sweeper;
pub mod tenant_settings;
mod token_answer;
pub mod users;
mod wire;

pub use app::App;
pub use error::ApiError;
pub use http::{Request, Response};
pub use signing::Signer;
