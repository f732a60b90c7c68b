//! Changing a user: names, state, login mode.

use domain::{
    EmailAddress, Permission, Principal, User,
    audit::{Action, Resource},
    role,
    user::LoginMode,
};
use serde::Deserialize;
use serde_json::Value;
use store::{ChangeUserRefused, StoreError};
use utoipa::ToSchema;

use super::json;
use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    person,
    wire::{self, Object, person_name},
};

/// `PUT /v1/users/{uid}`: the names. Roles have a route of their own, and an address is a person, who is not exchanged.
pub(super) async fn replace(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let entity: json::Entity = http::body(&request)?;
    change(app, &request, &principal, Permission::UserUpdate, |user| {
        let spec = &entity.spec.0;
        if let Some(address) = spec.email_id.as_deref().filter(|address| !address.is_empty()) {
            let address = EmailAddress::parse(address)?;
            if person::address_of(user)? != address {
                return Err(ApiError::EmailFixed);
            }
        }
        user.first_name = spec.first_name()?.unwrap_or_else(|| user.first_name.clone());
        user.last_name = spec.last_name()?.unwrap_or_else(|| user.last_name.clone());
        Ok(())
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = PatchOperation)]
pub(super) struct Operation {
    op: String,
    path: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    value: Value,
}

/// `PATCH /v1/users/{uid}`: single members by JSON Patch, `add` and `replace` of those that can be changed.
pub(super) async fn patch(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let operations: Vec<Object<Operation>> = http::list_body(&request)?;
    change(app, &request, &principal, Permission::UserUpdate, |user| {
        for Object(operation) in &operations {
            if !["add", "replace"].contains(&operation.op.as_str()) {
                return Err(ApiError::Patch);
            }
            match (operation.path.as_str(), &operation.value) {
                ("/spec/firstName", Value::String(name)) => user.first_name = person_name("/spec/firstName", name)?,
                ("/spec/lastName", Value::String(name)) => user.last_name = person_name("/spec/lastName", name)?,
                // Only the person can accept an invitation; it is taken back by removing the user.
                ("/status/isActive", Value::Bool(_)) if user.is_pending => return Err(ApiError::Pending),
                ("/status/isActive", Value::Bool(is_active)) if user.uid != principal.user.uid => {
                    user.is_active = *is_active;
                }
                _ => return Err(ApiError::Patch),
            }
        }
        Ok(())
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoginModeChange)]
pub(super) struct LoginModeBody {
    #[schema(value_type = wire::LoginMode)]
    login_mode: LoginMode,
}

/// `PATCH /v1/users/{uid}/status/loginMode`.
pub(super) async fn login_mode(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let body: LoginModeBody = http::body(&request)?;
    change(app, &request, &principal, Permission::UserUpdate, |user| {
        user.login_mode = body.login_mode;
        Ok(())
    })
    .await
}

/// Changes the user that the path names, again if another change came between.
pub(super) async fn change(
    app: &App,
    request: &Request,
    principal: &Principal,
    permission: Permission,
    apply: impl Fn(&mut User) -> Result<(), ApiError>,
) -> Result<Response, ApiError> {
    for _ in 0..super::ATTEMPTS {
        let before = super::permitted(app, request, principal, permission).await?;
        super::check_may_manage(principal, &before)?;
        let mut after = before.clone();
        apply(&mut after)?;
        if before == after {
            if !after.is_active {
                // Nothing to tell of, and yet written: somebody who has read them before may be about to enable them.
                match app.store.on_record(&[]).replace_user(&before, &after).await {
                    Ok(()) => {}
                    Err(ChangeUserRefused::Store(StoreError::Conflict)) => continue,
                    Err(refused) => return Err(refused.into()),
                }
            }
            return Ok(http::no_content());
        }
        let trail = audit::Trail::of(app, request, principal);
        let content = format!("{} changed: {}", before.name(), changes(&before, &after));
        let record = [trail.record(Action::Update, Resource::user(&after), "User changed", content)];
        match app.store.on_record(&record).replace_user(&before, &after).await {
            Ok(()) => return Ok(audit::stated(http::no_content(), &record[0])),
            // An enabling is not made again: what it met may have been a disabling, which has been answered and must stand.
            Err(ChangeUserRefused::Store(StoreError::Conflict)) if before.is_active || !after.is_active => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    Err(ApiError::Conflict)
}

/// What is different, in words.
fn changes(before: &User, after: &User) -> String {
    let mut changes = Vec::new();
    if before.name() != after.name() {
        changes.push(format!("name → {}", after.name()));
    }
    if before.roles != after.roles {
        let names = |user: &User| {
            let names: Vec<&str> = user.roles.iter().filter_map(|role| Some(role::find(*role)?.name)).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        changes.push(format!("roles {} → {}", names(before), names(after)));
    }
    if before.is_active != after.is_active {
        changes.push(if after.is_active { "enabled" } else { "disabled" }.to_owned());
    }
    if before.login_mode != after.login_mode {
        changes.push(format!("login mode → {}", after.login_mode.as_str()));
    }
    changes.join(", ")
}
