//! What the audit trail gets to know of a request: who acts, by what and from where.

use domain::{
    Principal, TenantUid, User, UserUid,
    audit::{Action, Actor, Means, Person, Record, Resource},
};
use lambda_http::http::{HeaderName, HeaderValue, header};
use store::Membership;

use crate::{
    App,
    http::{self, Request, Response},
};

/// Names the record of a change in the answer to the request for it.
const AUDIT_UID: HeaderName = HeaderName::from_static("audituid");

/// The trail of one tenant, as far as one actor leaves it.
pub(crate) struct Trail<'a> {
    app: &'a App,
    tenant: TenantUid,
    actor: Actor,
}

impl<'a> Trail<'a> {
    /// Of whoever calls.
    pub(crate) fn of(app: &'a App, request: &Request, principal: &Principal) -> Self {
        let actor = Actor::principal(principal, http::source_address(request), user_agent(request));
        Self { app, tenant: principal.user.tenant, actor }
    }

    /// Of a user who was recognised in another way than by a credential of the request.
    pub(crate) fn of_user(app: &'a App, request: &Request, user: &User, means: Means) -> Self {
        let actor = Actor::new(user, means, http::source_address(request), user_agent(request));
        Self { app, tenant: user.tenant, actor }
    }

    /// Of a person in one of their organizations.
    pub(crate) fn of_member(
        app: &'a App,
        request: &Request,
        email: &str,
        membership: &Membership,
        means: Means,
    ) -> Self {
        let person = Person {
            uid: membership.user,
            first_name: String::new(),
            last_name: String::new(),
            email: email.to_owned(),
        };
        let mut actor = Actor::service();
        actor.means = means;
        actor.source = http::source_address(request);
        Self {
            app,
            tenant: membership.tenant,
            actor: Actor { user: Some(person), ..actor }.saying(user_agent(request)),
        }
    }

    /// Of the service itself.
    pub(crate) fn of_service(app: &'a App, tenant: TenantUid) -> Self {
        Self { app, tenant, actor: Actor::service() }
    }

    /// What was done now.
    ///
    /// - `message`: in a few words.
    /// - `content`: in a sentence.
    pub(crate) fn record(&self, action: Action, resource: Resource, message: &str, content: String) -> Record {
        let at = self.app.clock.now();
        Record {
            uid: Record::uid_at(at, self.app.entropy.bytes()),
            tenant: self.tenant,
            at,
            action,
            message: message.to_owned(),
            content,
            actor: self.actor.clone(),
            resource,
            subject: None,
        }
    }

    /// The same, of a thing that belongs to a user.
    pub(crate) fn record_about(
        &self,
        subject: UserUid,
        action: Action,
        resource: Resource,
        message: &str,
        content: String,
    ) -> Record {
        Record { subject: Some(subject), ..self.record(action, resource, message, content) }
    }
}

/// The answer to a change, which names its record.
pub(crate) fn stated(mut response: Response, record: &Record) -> Response {
    let uid = HeaderValue::try_from(record.uid.to_string()).expect("a uid is hexadecimal");
    response.headers_mut().insert(AUDIT_UID, uid);
    response
}

/// An answer that names the record that another one names.
pub(crate) fn stated_as(mut response: Response, other: &Response) -> Response {
    if let Some(uid) = other.headers().get(AUDIT_UID) {
        response.headers_mut().insert(AUDIT_UID, uid.clone());
    }
    response
}

pub(crate) fn user_agent(request: &Request) -> &str {
    request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default()
}
