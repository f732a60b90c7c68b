//! Every error, and the status, code and message it has on the wire. Nothing else chooses a status.

use domain::{
    Permission,
    annotations::AnnotationsRefused,
    api_key::{ApiKeyRefused, NameRefused},
    audit::NotANote,
    email::NotAnEmailAddress,
    password::{BrokenRule, PolicyRefused},
    settings::SettingRefused,
    tenant::{NotAnOrgName, OrgName},
    timestamp::NotATimestamp,
};
use lambda_http::http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use serde::Serialize;
use serde_json::{Value, json};
use store::{ChangeUserRefused, CreateRefused, ReplaceRefused, StoreError};
use utoipa::ToSchema;

use crate::{
    caller::Refused,
    http::{self, MAX_BODY_BYTES, Response},
    organizations::Organization,
    outbound::{BadCertificate, UrlRefused},
    signing::SigningError,
    sso::SsoFailure,
};

/// What a client should wait before it tries again, in seconds.
const RETRY_AFTER_SECS: &str = "2";

/// Why a request was not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each says it in its message")]
pub enum ApiError {
    #[error("the body must be a JSON object")]
    BodyMissing,
    #[error("the body must have at most {MAX_BODY_BYTES} bytes")]
    BodyTooLarge,
    #[error("the body is not valid JSON: see line {line}, column {column}")]
    BodyMalformed { line: usize, column: usize },
    #[error("the body is nested too deeply or has a member twice: see line {line}, column {column}")]
    BodyAmbiguous { line: usize, column: usize },
    #[error("{field} is missing or of the wrong type")]
    Field { field: String },
    #[error("{field}: {source}")]
    Time { field: &'static str, source: NotATimestamp },
    #[error("the query parameter {0} must be true or false")]
    Flag(&'static str),
    #[error("at most {0} tokens can be revoked at once")]
    TooManyTokens(usize),
    #[error("metadata.name: {0}")]
    Name(#[from] NameRefused),
    #[error("metadata.annotations: {0}")]
    Annotations(#[from] AnnotationsRefused),
    #[error("{0}")]
    ApiKey(#[from] ApiKeyRefused),
    #[error("send an API key in the header ApiKey, or emailId and password in the body")]
    NothingToAuthenticateWith,
    #[error("{0}")]
    Email(#[from] NotAnEmailAddress),
    #[error("{0}")]
    OrgName(#[from] NotAnOrgName),
    #[error("{0}")]
    Policy(#[from] PolicyRefused),
    #[error("{0}")]
    Setting(#[from] SettingRefused),
    #[error(
        "{field} must have 1 to 64 characters, none of them a control character, /, @, < or >, and no dot before a letter"
    )]
    PersonName { field: &'static str },
    #[error("limit must lie between 0 and 50, offset and continue must be numbers")]
    Page,
    #[error("filters may compare metadata.name and spec.emailId by =, joined by AND")]
    Filters,
    #[error(
        "only add and replace of /spec/firstName, /spec/lastName and, of another user, /status/isActive are to be had"
    )]
    Patch,
    #[error("the e-mail address of a user cannot be changed; invite the new address")]
    EmailFixed,
    #[error("roles are held in the whole tenant; there are none in a project alone")]
    NoProjectRoles,
    #[error("SAML is not to be had")]
    SamlUnavailable,
    #[error("insecureSkipVerify is refused: name the authority in caCertificateBase64")]
    InsecureSkipVerify,
    #[error("the password is too long")]
    PasswordTooLong,
    #[error("the password breaks rules of the organization")]
    PasswordPolicy(Vec<BrokenRule>),
    #[error("choose an organization and send its name as org")]
    OrgSelectionRequired(Vec<Organization>),
    #[error("the link is not valid, was used already or has expired")]
    InvalidOneTimeToken,
    #[error("too many attempts; wait a few minutes before the next one")]
    AccountLocked,
    #[error("the password has ended by the rules of the organization; a link to set another one was mailed")]
    PasswordExpired,
    #[error("this cannot be done with an API key; sign in")]
    NotByApiKey,
    #[error("you do not belong to it")]
    AccessDenied,
    #[error("new organizations are made by invitation only")]
    SignUpClosed,
    #[error("the user belongs to other organizations or may do more than you; mail them a link instead")]
    NotTheirsAlone,
    #[error("the organization would be without an admin")]
    LastAdmin,
    #[error("the person has not accepted the invitation yet; only they can")]
    Pending,
    #[error("one person may belong to {0} organizations at most")]
    TooManyMemberships(usize),
    #[error("nobody can do this to themselves")]
    NotOneself,
    #[error("there is no such role")]
    RoleNotFound,
    #[error("the organization has a user of this address already")]
    UserAlreadyExists,
    #[error("there is an organization of this name already")]
    OrgNameTaken,
    #[error("this address was invited a moment ago; wait a minute")]
    JustInvited,
    #[error("another organization has the domain {0}")]
    DomainTaken(String),
    #[error("{0}")]
    Note(#[from] NotANote),
    #[error(
        "startTime and endTime must be RFC 3339 date-times, limit between 0 and 50, and continue what a page before said"
    )]
    AuditQuery,
    #[error("{0}")]
    SsoFailed(#[from] SsoFailure),
    /// Where to sign in.
    #[error("the organization lets people sign in by its identity provider only")]
    SsoRequired { org_name: OrgName, redirect_url: String },
    #[error("the organization does not offer this provider")]
    ProviderNotOffered,
    #[error("a user may have {0} identities at most; unlink one first")]
    IdentityLimit(usize),
    #[error("the provider cannot be used: {0}")]
    ProviderUnusable(String),
    #[error("this needs a sign-in of the last fifteen minutes; sign in again")]
    SignInAgain,
    #[error("issuerUrl: {0}")]
    Issuer(#[from] UrlRefused),
    #[error("send clientSecret again, since issuerUrl changes: it is sent to the issuer")]
    SecretNeeded,
    #[error("issuerTls: {0}")]
    Certificate(#[from] BadCertificate),
    #[error("there is no TXT record {name} that holds {value} yet; new records take a while to be seen")]
    DomainNotProven { name: String, value: String },
    #[error("require single sign-on by an API key, or while signed in by it: it has to work for somebody")]
    SsoUntried,
    #[error("this form is not of your session any more; load the page anew")]
    FormRefused,
    #[error("there is no such record")]
    AuditNotFound,
    #[error("only whoever did it can write a note on it")]
    NotTheActor,
    #[error("the organization has {0} users, as many as it allows")]
    UserLimit(u32),
    /// Why is logged, and the same for every reason on the wire.
    #[error("the credential is missing or not valid")]
    Unauthorized(#[from] Refused),
    #[error("e-mail, password or organization is not right")]
    InvalidCredentials,
    #[error("this needs the permission {0}")]
    Forbidden(Permission),
    #[error("nobody can give more than they may themselves, nor act for one who may do more")]
    MoreThanHeld,
    #[error("there is no such thing")]
    NotFound,
    #[error("there is no such user")]
    UserNotFound,
    #[error("the project named by the header ProjectUid is not in this tenant")]
    ProjectNotFound,
    #[error("the user has an API key of this name already")]
    DuplicateName,
    #[error("the user has {0} API keys, as many as the tenant allows; delete one first")]
    ApiKeyLimit(u32),
    #[error("it was changed by someone else at the same time; read it again")]
    Conflict,
    #[error("the service is busy or a part of it does not answer; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A user whose tenant has no record. Not a 404: to clients that means the thing they asked for is gone.
    #[error("something went wrong on our side")]
    TenantGone,
    #[error("something went wrong on our side")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct Body<'a> {
    code: &'static str,
    message: String,
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
    r#ref: &'a str,
}

impl ApiError {
    /// The status and the code that clients branch on. A 404 always has a not-found code, and the other way round.
    pub const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "InvalidRequest"),
            Self::ApiKey(ApiKeyRefused::Expired) => (StatusCode::BAD_REQUEST, "ApiKeyExpired"),
            Self::BodyMissing
            | Self::BodyMalformed { .. }
            | Self::BodyAmbiguous { .. }
            | Self::Field { .. }
            | Self::Time { .. }
            | Self::Flag(_)
            | Self::TooManyTokens(_)
            | Self::Name(_)
            | Self::Annotations(_)
            | Self::ApiKey(_)
            | Self::Email(_)
            | Self::OrgName(_)
            | Self::Policy(_)
            | Self::Setting(_)
            | Self::PersonName { .. }
            | Self::Page
            | Self::Note(_)
            | Self::AuditQuery
            | Self::Filters
            | Self::Patch
            | Self::EmailFixed
            | Self::NoProjectRoles
            | Self::SamlUnavailable
            | Self::InsecureSkipVerify
            | Self::Issuer(_)
            | Self::SecretNeeded
            | Self::ProviderNotOffered
            | Self::Certificate(_)
            | Self::PasswordTooLong
            | Self::NothingToAuthenticateWith => (StatusCode::BAD_REQUEST, "InvalidRequest"),
            Self::PasswordPolicy(_) => (StatusCode::BAD_REQUEST, "PasswordPolicyViolation"),
            Self::SsoFailed(_) => (StatusCode::UNAUTHORIZED, "SsoFailed"),
            Self::SsoRequired { .. } => (StatusCode::FORBIDDEN, "SsoRequired"),
            Self::DomainNotProven { .. } => (StatusCode::BAD_REQUEST, "DomainNotProven"),
            Self::OrgSelectionRequired(_) => (StatusCode::BAD_REQUEST, "OrgSelectionRequired"),
            Self::InvalidOneTimeToken => (StatusCode::UNAUTHORIZED, "InvalidPasswordToken"),
            Self::AccountLocked => (StatusCode::FORBIDDEN, "AccountLocked"),
            Self::PasswordExpired => (StatusCode::FORBIDDEN, "PasswordExpired"),
            Self::AccessDenied => (StatusCode::FORBIDDEN, "ResourceAccessDenied"),
            Self::NotByApiKey
            | Self::SignUpClosed
            | Self::SsoUntried
            | Self::SignInAgain
            | Self::NotTheirsAlone
            | Self::Pending
            | Self::LastAdmin
            | Self::NotTheActor
            | Self::FormRefused
            | Self::NotOneself
            | Self::Forbidden(_)
            | Self::MoreThanHeld => (StatusCode::FORBIDDEN, "OperationForbidden"),
            Self::UserAlreadyExists => (StatusCode::CONFLICT, "UserAlreadyExists"),
            Self::OrgNameTaken => (StatusCode::CONFLICT, "OrgNameTaken"),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "UnAuthorizedAccess"),
            Self::InvalidCredentials => (StatusCode::UNAUTHORIZED, "InvalidCredentials"),
            Self::ProviderUnusable(_) => (StatusCode::BAD_REQUEST, "ProviderUnusable"),
            Self::ApiKeyLimit(_) | Self::IdentityLimit(_) | Self::UserLimit(_) | Self::TooManyMemberships(_) => {
                (StatusCode::FORBIDDEN, "ResourceLimitExceeded")
            }
            Self::NotFound | Self::RoleNotFound | Self::AuditNotFound => (StatusCode::NOT_FOUND, "ResourceNotFound"),
            Self::UserNotFound => (StatusCode::NOT_FOUND, "UserNotFound"),
            Self::ProjectNotFound => (StatusCode::NOT_FOUND, "ProjectNotFoundInTenant"),
            Self::DuplicateName => (StatusCode::CONFLICT, "DuplicateName"),
            Self::Conflict | Self::JustInvited | Self::DomainTaken(_) => (StatusCode::CONFLICT, "ResourceConflict"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            Self::Internal(_) | Self::TenantGone => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        }
    }

    /// Why, for the log only: it may tell what the answer must not.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Unauthorized(refused) => Some(refused.to_string()),
            Self::Unavailable(source) | Self::Internal(source) => Some(source.to_string()),
            Self::TenantGone => Some("the tenant of the user has no record".to_owned()),
            _ => None,
        }
    }

    /// What a client needs beside the message to go on.
    fn details(&self) -> Option<Value> {
        match self {
            Self::PasswordPolicy(broken) => {
                Some(json!({ "rules": broken.iter().map(|rule| rule.as_str()).collect::<Vec<_>>() }))
            }
            Self::SsoFailed(failure) => Some(json!({ "error": failure.code() })),
            Self::SsoRequired { redirect_url, .. } => Some(json!({ "redirectUrl": redirect_url })),
            Self::DomainNotProven { name, value } => Some(json!({ "type": "TXT", "name": name, "value": value })),
            Self::OrgSelectionRequired(organizations) => Some(json!({ "organizations": organizations })),
            _ => None,
        }
    }

    /// The answer, with the reference under which the log has the cause.
    pub fn response(&self, reference: &str) -> Response {
        let (status, code) = self.status_and_code();
        let body = Body { code, message: self.to_string(), details: self.details(), r#ref: reference };
        let mut response = http::json(status, &body);
        if matches!(self, Self::Unavailable(_)) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECS));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            StoreError::Unavailable(cause) => Self::Unavailable(cause),
            StoreError::Broken(cause) => Self::Internal(cause),
        }
    }
}

impl From<SigningError> for ApiError {
    fn from(error: SigningError) -> Self {
        match error {
            SigningError::Store(error) => error.into(),
            SigningError::KmsUnavailable(cause) => Self::Unavailable(cause.into()),
            SigningError::KmsRefused(_) | SigningError::Unreadable(_) => Self::Internal(error.into()),
        }
    }
}

impl From<ChangeUserRefused> for ApiError {
    fn from(refused: ChangeUserRefused) -> Self {
        match refused {
            ChangeUserRefused::LastAdmin => Self::LastAdmin,
            ChangeUserRefused::Store(error) => error.into(),
        }
    }
}

impl From<ReplaceRefused> for ApiError {
    fn from(refused: ReplaceRefused) -> Self {
        match refused {
            ReplaceRefused::DuplicateName => Self::DuplicateName,
            ReplaceRefused::LimitReached(limit) => Self::ApiKeyLimit(limit),
            ReplaceRefused::Store(error) => error.into(),
        }
    }
}

impl ApiError {
    /// Of a key that was not written; `limit` is what the tenant allows.
    pub fn from_create_refused(refused: CreateRefused, limit: u32) -> Self {
        match refused {
            CreateRefused::DuplicateName => Self::DuplicateName,
            CreateRefused::LimitReached => Self::ApiKeyLimit(limit),
            CreateRefused::UserGone => Self::UserNotFound,
            CreateRefused::Store(error) => error.into(),
        }
    }
}
