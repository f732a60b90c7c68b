//! The whole of Latchkey in one process.
//!
//! Routes, functions, permissions and tables come from `infra/template.yaml`, the handlers are those of the Lambda
//! functions, and DynamoDB is an emulator reached in process. What stands only here: the controls that tests need.
//!
//! - [`template`]: what the template says; [`policy`]: what each function may do at the tables
//! - [`gateway`]: API Gateway: routes, events, dispatch; [`server`]: HTTP on a port
//! - [`backend`]: DynamoDB, embedded or elsewhere; [`connector`]: the way to it, guarded and traced
//! - [`mailbox`]: where mails go
//! - [`data_dir`]: what is kept between starts; [`demo`], [`seed`], [`export`]: filling and reading the tables

pub mod backend;
pub mod connector;
pub mod data_dir;
pub mod demo;
pub mod draws;
pub mod export;
pub mod faults;
pub mod gateway;
pub mod kms;
pub mod mailbox;
pub mod outside;
pub mod policy;
pub mod seed;
pub mod server;
pub mod service;
pub mod template;
pub mod trace;

pub use service::Service;
