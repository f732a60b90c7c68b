//! `GET /v1/openapi.json`: the wire as an `OpenAPI` 3.1 document, made of the very types that requests are read into and
//! answers written from. Each file of operations describes its own.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem,
        PathsBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, ServerBuilder,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
        security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    api_keys, audits, authenticate, caller, discovery, error, organizations, passwords, projects, refresh,
    revoke_tokens, roles, sessions, sign_up, sso, tenant_settings, users,
};

/// One operation as clients see it. Unless more is said it needs a caller, takes no body, and answers 204.
pub(crate) struct Operation {
    route: &'static str,
    summary: &'static str,
    credentials: Option<&'static [&'static str]>,
    query: Vec<(&'static str, &'static str)>,
    body: Option<(RefOr<Schema>, Required)>,
    success: (StatusCode, Option<RefOr<Schema>>),
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// - `route`: method and path, as in the template.
    pub(crate) fn new(route: &'static str, summary: &'static str) -> Self {
        Self {
            route,
            summary,
            credentials: None,
            query: Vec::new(),
            body: None,
            success: (StatusCode::NO_CONTENT, None),
            schemas: Vec::new(),
        }
    }

    /// Anybody may do it.
    pub(crate) fn open(self) -> Self {
        Self { credentials: Some(&[]), ..self }
    }

    /// An API key is one way to do it, of others that are not credentials of the request.
    pub(crate) fn open_or_by_api_key(self) -> Self {
        Self { credentials: Some(&["ApiKey", "ApiKeyInQuery"]), ..self }
    }

    /// It heeds this parameter of the query, which may be left out.
    pub(crate) fn query(mut self, name: &'static str, description: &'static str) -> Self {
        self.query.push((name, description));
        self
    }

    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some((self.reference::<T>(), Required::True));
        self
    }

    /// Like [`Self::takes`], of a body that may be left out.
    pub(crate) fn may_take<T: ToSchema>(mut self) -> Self {
        self.body = Some((self.reference::<T>(), Required::False));
        self
    }

    pub(crate) fn answers<T: ToSchema>(mut self) -> Self {
        self.success = (StatusCode::OK, Some(self.reference::<T>()));
        self
    }

    pub(crate) fn creates<T: ToSchema>(mut self) -> Self {
        self.success = (StatusCode::CREATED, Some(self.reference::<T>()));
        self
    }

    /// It sends a browser elsewhere.
    pub(crate) fn leads_elsewhere(mut self) -> Self {
        self.success = (StatusCode::FOUND, None);
        self
    }

    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let schema = T::schema();
        T::schemas(&mut self.schemas);
        // What has no members of its own, a list say, is told in place.
        if !matches!(&schema, RefOr::T(Schema::Object(object)) if !object.properties.is_empty()) {
            return schema;
        }
        self.schemas.push((T::name().into_owned(), schema));
        Ref::from_schema_name(T::name()).into()
    }

    fn path_item(self, path: &str) -> PathItem {
        let (method, _) = self.route.split_once(' ').expect("a route is method and path");
        let mut operation = OperationBuilder::new()
            .summary(Some(self.summary))
            .operation_id(Some(operation_id(method, path)))
            .tag(path.split('/').find(|part| !["", "v1"].contains(part)).unwrap_or_default());
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            operation = operation.parameter(parameter(name, ParameterIn::Path).required(Required::True));
        }
        for (name, description) in self.query {
            let parameter = parameter(name, ParameterIn::Query).description(Some(description));
            operation = operation.parameter(parameter.required(Required::False));
        }
        if let Some((schema, required)) = self.body {
            let content = ContentBuilder::new().schema(Some(schema)).build();
            operation = operation
                .request_body(Some(RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build()));
        }
        let (status, schema) = self.success;
        let mut success = ResponseBuilder::new().description(status.canonical_reason().unwrap_or_default());
        if let Some(schema) = schema {
            success = success.content(JSON, ContentBuilder::new().schema(Some(schema)).build());
        }
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(error::Body::name()))).build();
        let problem = ResponseBuilder::new().description("What stands in the way").content(JSON, problem);
        operation = operation.response(status.as_str(), success).response("default", problem);
        if let Some(credentials) = self.credentials {
            let any_of = credentials.iter().map(|name| requirement(name));
            operation = operation.securities(Some(any_of.chain([SecurityRequirement::default()])));
        }
        PathItem::new(http_method(method), operation)
    }
}

/// That this credential is presented.
fn requirement(name: &str) -> SecurityRequirement {
    SecurityRequirement::new::<_, [String; 0], String>(name, [])
}

const JSON: &str = "application/json";

fn parameter(name: &str, place: ParameterIn) -> ParameterBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ParameterBuilder::new().name(name).parameter_in(place).schema(Some(text))
}

fn http_method(method: &str) -> HttpMethod {
    match method {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        other => unreachable!("no route has the method {other}"),
    }
}

/// `GET /v1/users/{uid}/roles` is `getUsersUidRoles`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !["", "v1"].contains(word));
    let words = words.map(|word| word[..1].to_uppercase() + &word[1..]);
    method.to_lowercase() + &words.collect::<String>()
}

/// The whole document.
///
/// - `public_url`: where the API answers.
pub fn document(public_url: &str) -> OpenApi {
    let operations = [
        authenticate::operations(),
        refresh::operations(),
        revoke_tokens::operations(),
        sessions::operations(),
        api_keys::operations(),
        sign_up::operations(),
        organizations::operations(),
        sso::operations(),
        passwords::operations(),
        users::operations(),
        roles::operations(),
        tenant_settings::operations(),
        projects::operations(),
        audits::operations(),
        discovery::operations(),
    ];
    let mut paths = PathsBuilder::new();
    let mut schemas = BTreeMap::from([(error::Body::name().into_owned(), error::Body::schema())]);
    for mut operation in operations.into_iter().flatten() {
        for (name, schema) in operation.schemas.drain(..) {
            let before = schemas.insert(name.clone(), schema.clone());
            debug_assert!(before.is_none_or(|before| before == schema), "two schemas have the name {name}");
        }
        let (_, path) = operation.route.split_once(' ').expect("a route is method and path");
        paths = paths.path(path, operation.path_item(path));
    }
    let credentials = [
        ("ApiKey", ApiKey::Header(ApiKeyValue::with_description("ApiKey", "An API key"))),
        ("ApiKeyInQuery", ApiKey::Query(ApiKeyValue::with_description("ApiKey", "An API key"))),
        ("Authorization", ApiKey::Header(ApiKeyValue::with_description("Authorization", "A token, bare"))),
        ("Cookie", ApiKey::Cookie(ApiKeyValue::with_description(caller::COOKIE, "A token, of a browser"))),
    ];
    let any_of: Vec<_> = credentials.iter().map(|(name, _)| requirement(name)).collect();
    let mut components = ComponentsBuilder::new().schemas_from_iter(schemas);
    for (name, credential) in credentials {
        components = components.security_scheme(name, SecurityScheme::ApiKey(credential));
    }
    let info = InfoBuilder::new()
        .title("Latchkey")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Sign-in, tokens and API keys of a multi-tenant API"))
        .license(Some(License::new(env!("CARGO_PKG_LICENSE"))));
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url(public_url).build()]))
        .paths(paths)
        .components(Some(components.build()))
        .security(Some(any_of))
        .build()
}
