//! What Latchkey guarantees, shown on the whole of it: the handlers of the Lambda functions behind the routes and
//! policies of the template, on an embedded DynamoDB, or on the one that `LATCHKEY_TEST_DYNAMODB` names.
#![allow(missing_docs, reason = "the name of a test is the guarantee")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod access;
mod api_keys;
mod asvs;
mod audits;
mod authorizer;
mod bad_input;
mod browser;
mod canaries;
mod chromium;
mod cloud;
mod console;
mod console_browser;
mod console_sso;
mod console_tenant;
mod console_tour;
mod drift;
mod faults;
mod invariants;
mod mails;
mod members;
mod model;
mod non_interference;
mod openapi;
mod people;
mod privileges;
mod process;
mod provider;
mod races;
mod rotations;
mod round_trips;
mod ses;
mod session;
mod settings;
mod sign_outs;
mod sso;
mod sso_attacks;
mod sso_cheats;
mod sso_social;
mod stack;
mod store;
mod story;
mod sweeps;
mod tokens;
mod users;
