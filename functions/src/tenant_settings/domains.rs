//! The mail domains of a tenant, and how it proves that they are its own.

use domain::{
    Tenant,
    audit::{Action, Resource},
    settings::{self, SettingRefused},
};
use serde::{Deserialize, Serialize};
use store::{ProveDomainRefused, StoreError};
use utoipa::ToSchema;

use super::{ATTEMPTS, may_write};
use crate::{
    ApiError, App, audit,
    http::{self, Request, Response},
    wire::null_as_default,
};

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Domains)]
pub(super) struct DomainsBody {
    #[serde(deserialize_with = "null_as_default")]
    pub(super) domains: Vec<String>,
}

pub(super) fn set_domains(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: DomainsBody = http::body(request)?;
    Ok(Tenant { domains: settings::check_domains(body.domains)?, ..tenant })
}

#[derive(Serialize, ToSchema)]
#[schema(as = DomainProofs)]
pub(super) struct ProofsAnswer {
    items: Vec<ProofAnswer>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DomainProof)]
struct ProofAnswer {
    domain: String,
    /// Whether it is proven: then whoever comes by single sign-on with an address of it becomes a user.
    is_proven: bool,
    /// Whether another organization has proven that it is theirs.
    is_taken: bool,
    record: RecordAnswer,
}

/// What to put into the DNS.
#[derive(Serialize, ToSchema)]
#[schema(as = DomainRecord)]
struct RecordAnswer {
    r#type: &'static str,
    name: String,
    value: String,
}

pub(super) async fn proofs(app: &App, request: &Request) -> Result<Response, ApiError> {
    let principal = may_write(app, request).await?;
    let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let holders = app.store.domain_holders(&tenant.domains).await?;
    let items = tenant.domains.iter().map(|domain| {
        let holder = holders.iter().find(|holder| holder.domain == *domain && holder.proven_at.is_some());
        let (name, value) = settings::domain_proof(tenant.uid, domain);
        ProofAnswer {
            domain: domain.clone(),
            is_proven: holder.is_some_and(|holder| holder.tenant == tenant.uid),
            is_taken: holder.is_some_and(|holder| holder.tenant != tenant.uid),
            record: RecordAnswer { r#type: "TXT", name, value },
        }
    });
    Ok(http::ok(&ProofsAnswer { items: items.collect() }))
}

/// Looks whether a domain says that it is the tenant's. Whoever can make it say so may have it, whoever else has only
/// claimed it.
pub(super) async fn verify_domain(app: &App, request: &Request) -> Result<Response, ApiError> {
    let principal = may_write(app, request).await?;
    let domain = settings::check_domains(vec![http::path_parameter(request, "domain")])?.pop();
    let domain = domain.ok_or(SettingRefused::Domain)?;
    let (name, value) = settings::domain_proof(principal.user.tenant, &domain);
    let texts = app.dns.texts(&name).await.map_err(|error| ApiError::Unavailable(error.into()))?;
    if !texts.iter().any(|text| text.trim() == value) {
        return Err(ApiError::DomainNotProven { name, value });
    }
    // Whoever has proven it before keeps it for as long as the domain says so.
    let holder = app.store.domain_holders(std::slice::from_ref(&domain)).await?.pop();
    let former = holder.filter(|holder| {
        let (_, theirs) = settings::domain_proof(holder.tenant, &domain);
        !texts.iter().any(|text| text.trim() == theirs)
    });
    let former = former.map(|holder| holder.tenant);
    for _ in 0..ATTEMPTS {
        let before = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
        let mut domains = before.domains.clone();
        domains.push(domain.clone());
        let after = Tenant { domains: settings::check_domains(domains)?, ..before.clone() };
        let trail = audit::Trail::of(app, request, &principal);
        let content = format!("{domain} is proven to be of the organization");
        let record = [trail.record(Action::Update, Resource::tenant(&after), "Domain proven", content)];
        match app.store.on_record(&record).prove_domain(&before, &after, &domain, former, app.clock.now()).await {
            Ok(()) => return Ok(audit::stated(http::no_content(), &record[0])),
            Err(ProveDomainRefused::Taken) => return Err(ApiError::DomainTaken(domain)),
            Err(ProveDomainRefused::Store(StoreError::Conflict)) => {}
            Err(ProveDomainRefused::Store(error)) => return Err(error.into()),
        }
    }
    Err(ApiError::Conflict)
}
