//! What a person says after a provider has vouched for them: which organization, who they are already, or what new
//! organization they want. In between a page carries a one-time token, good in this browser alone.

use domain::{
    ProjectUid, Tenant, TenantUid, User, UserUid,
    audit::{Action, Means, Resource},
    once::{OneTime, OneTimeToken, Purpose},
    password::Password,
    role,
    sso::Pending,
    tenant::{DEFAULT_PROJECT, OrgName, Project},
    user::LoginMode,
};
use store::{CreateTenantRefused, Founding, LinkProof, Proof, StoreError};

use super::{
    SsoFailure,
    admission::{check_memberships, check_room, link_of, linked, refused, users_of},
    browser::Browser,
    failure::is_over,
};
use crate::{
    ApiError, App, Signer,
    audit::Trail,
    http::{Request, Response},
    mail, person, sign_in, wire,
};

/// A person who has something to say, and the token that stands for them.
pub(crate) struct Visitor {
    pub(crate) pending: Pending,
    once: OneTime,
}

impl Visitor {
    /// Whom this token stands for, in this browser.
    ///
    /// # Errors
    ///
    /// [`ApiError::SsoFailed`].
    pub(crate) async fn of(app: &App, request: &Request, token: &str) -> Result<Self, ApiError> {
        let state = || ApiError::from(SsoFailure::State);
        let token = OneTimeToken::parse(token).map_err(|_| state())?;
        let once = app.store.once(&token.digest()).await?.filter(|once| !is_over(once, app.clock.now()));
        let once = once.ok_or_else(state)?;
        let Purpose::SsoPending(pending) = &once.purpose else { return Err(state()) };
        if !Browser::of(request).is_some_and(|browser| browser.is(&pending.browser)) {
            return Err(state());
        }
        Ok(Self { pending: pending.clone(), once })
    }

    /// The organizations that the identity opens.
    pub(crate) async fn organizations(&self, app: &App) -> Result<Vec<Tenant>, ApiError> {
        Ok(users_of(app, &self.pending.vouched).await?.into_iter().map(|(tenant, _)| tenant).collect())
    }

    /// The tenant that the person has an account in, which is not linked yet.
    pub(crate) async fn tenant(&self, app: &App) -> Result<Option<Tenant>, ApiError> {
        match self.pending.tenant {
            Some(uid) => Ok(Some(app.store.tenant(uid).await?.ok_or(SsoFailure::NotOffered)?)),
            None => Ok(None),
        }
    }

    /// Signs in to one of several organizations.
    pub(crate) async fn choose(
        &self,
        app: &App,
        signer: &Signer,
        request: &Request,
        org: &OrgName,
    ) -> Result<Response, ApiError> {
        // Whoever has come for one organization has nothing to choose.
        if self.pending.tenant.is_some() {
            return Err(SsoFailure::State.into());
        }
        let users = users_of(app, &self.pending.vouched).await?;
        let found = users.into_iter().find(|(tenant, _)| tenant.org_name == *org);
        let (tenant, user) = found.ok_or(SsoFailure::NoAccount)?;
        self.use_up(app).await?;
        self.sign_in(app, signer, request, (&tenant, &user)).await
    }

    /// Links the identity to the account of the same address, by its password.
    pub(crate) async fn link(
        &self,
        app: &App,
        signer: &Signer,
        request: &Request,
        password: Password,
    ) -> Result<Response, ApiError> {
        let vouched = &self.pending.vouched;
        let tenant = self.tenant(app).await?.filter(|tenant| tenant.offers(vouched.provider()));
        let tenant = tenant.ok_or(SsoFailure::NotOffered)?;
        let address = vouched.address().ok_or(SsoFailure::NotVerified)?;
        let person = person::check_password(app, request, &address, Some(&tenant.org_name), password).await?;
        let membership = person.accepted().find(|membership| membership.tenant == tenant.uid);
        let user = match membership {
            Some(membership) => app.store.user(tenant.uid, membership.user).await?.filter(|user| user.is_active),
            None => None,
        };
        let user = user.ok_or(SsoFailure::NoAccount)?;
        person::check_age(app, &address, &person, &tenant).await?;
        check_room(app, user.uid).await?;
        let trail = Trail::of_user(app, request, &user, Means::Password);
        let content = linked(&user, vouched);
        let record = [trail.record(Action::Update, Resource::user(&user), "Identity linked", content)];
        let hash = person.password_hash.as_deref().unwrap_or_default();
        let proof = LinkProof::Password { address: address.canonical(), hash, used: &self.once };
        let link = link_of(app, vouched, &user);
        let mail = mail::outgoing(app, &address, mail::identity_linked(app, tenant.org_name.as_str(), &link))?;
        refused(app.store.on_record(&record).link(&link, &user, proof, &mail).await)?;
        self.sign_in(app, signer, request, (&tenant, &user)).await
    }

    /// Makes a new organization, with the person as its admin, who needs no password.
    pub(crate) async fn sign_up(
        &self,
        app: &App,
        signer: &Signer,
        request: &Request,
        (first_name, last_name, org): (&str, &str, &str),
    ) -> Result<Response, ApiError> {
        let vouched = &self.pending.vouched;
        if !app.settings.sign_up {
            return Err(ApiError::SignUpClosed);
        }
        if self.pending.tenant.is_some() {
            return Err(SsoFailure::State.into());
        }
        let address = vouched.address().ok_or(SsoFailure::NotVerified)?;
        let mut tenant = Tenant::new(TenantUid::from_bytes(app.entropy.uid()), OrgName::parse(org)?);
        // Or they could never come back.
        tenant.social_logins.is_enabled = true;
        tenant.social_logins.names = vec![vouched.provider().as_str().to_owned()];
        let admin = User {
            uid: UserUid::from_bytes(app.entropy.uid()),
            tenant: tenant.uid,
            email: address.typed().to_owned(),
            first_name: wire::person_name("firstName", first_name)?,
            last_name: wire::person_name("lastName", last_name)?,
            roles: vec![role::TENANT_ADMIN.uid],
            is_active: true,
            is_pending: false,
            created_at: app.clock.now(),
            login_mode: LoginMode::default(),
            last_sign_in: None,
            sign_outs: 0,
        };
        let person = app.store.person(address.canonical()).await?;
        check_memberships(&person)?;
        let project = Project { uid: ProjectUid::from_bytes(app.entropy.uid()), name: DEFAULT_PROJECT.to_owned() };
        let trail = Trail::of_user(app, request, &admin, Means::Sso { provider: vouched.provider() });
        let content =
            format!("Organization {} signed up by {}, by {}", tenant.org_name, admin.email, vouched.provider().label());
        let record = [trail.record(Action::Create, Resource::tenant(&tenant), "Organization created", content)];
        let link = link_of(app, vouched, &admin);
        let founding = Founding::ByIdentity { link: &link, used: &self.once, person: &person };
        match app.store.on_record(&record).create_tenant(&tenant, &project, &admin, founding).await {
            Ok(()) => self.sign_in(app, signer, request, (&tenant, &admin)).await,
            Err(CreateTenantRefused::NameTaken) => Err(ApiError::OrgNameTaken),
            Err(CreateTenantRefused::Store(StoreError::Conflict)) => Err(SsoFailure::State.into()),
            Err(CreateTenantRefused::Store(error)) => Err(error.into()),
        }
    }

    async fn use_up(&self, app: &App) -> Result<(), ApiError> {
        app.store.take_once(&self.once.digest).await?.map(drop).ok_or_else(|| SsoFailure::State.into())
    }

    async fn sign_in(
        &self,
        app: &App,
        signer: &Signer,
        request: &Request,
        user: (&Tenant, &User),
    ) -> Result<Response, ApiError> {
        let vouched = &self.pending.vouched;
        match sign_in::answer(app, signer, request, user, Proof::Identity(&vouched.identity)).await {
            Err(ApiError::InvalidCredentials) => Err(SsoFailure::NoAccount.into()),
            answer => answer,
        }
    }
}
