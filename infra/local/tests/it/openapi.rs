//! The `OpenAPI` document says what the template routes and what the answers are: those of all tests are held against it.

use std::{collections::BTreeSet, sync::LazyLock};

use functions::openapi;
use hyper::Method;
use local::template::Template;
use serde_json::{Value, json};

use crate::stack::Stack;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| json!(openapi::document("https://auth.example.com")));

/// Asserts that the document foresees this answer.
pub(crate) fn check_answer(method: &Method, path: &str, status: u16, body: &Value) {
    let Some(operation) = operation(method, path) else { return };
    let responses = &operation["responses"];
    let response = match (status, &responses[status.to_string()]) {
        (400.., _) => &responses["default"],
        (_, response) => response,
    };
    assert!(response.is_object(), "{method} {path} answered {status}, which is not in the document");
    let schema = &response["content"]["application/json"]["schema"];
    if schema.is_null() {
        assert_eq!(status, 204, "{method} {path} answers what the document does not tell");
    } else if let Err(why) = conforms(body, schema) {
        panic!("{method} {path} answered {status} {body}, which is not of the document: {why}");
    }
}

/// The operation that a path of no template variable is of; of several the one with the most literal segments.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let segments: Vec<_> = path.split('?').next().unwrap().split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<_> = template.split('/').collect();
        wanted.len() == segments.len()
            && wanted.iter().zip(&segments).all(|(wanted, segment)| wanted.starts_with('{') || wanted == segment)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let paths = paths.iter().filter(|(template, _)| fits(template));
    let operations = paths.filter_map(|(template, item)| Some((template, item.get(method.as_str().to_lowercase())?)));
    operations.min_by_key(|(template, _)| template.matches('{').count()).map(|(_, operation)| operation)
}

/// Whether a value is of a schema, and has no member of which the schema does not know.
fn conforms(value: &Value, schema: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = DOCUMENT.pointer(reference.strip_prefix('#').unwrap());
        return conforms(value, schema.ok_or_else(|| format!("{reference} leads nowhere"))?);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let outcomes: Result<Vec<_>, _> =
            choices.iter().map(|choice| conforms(value, choice).err().ok_or(())).collect();
        return outcomes.map_or(Ok(()), |whys| Err(whys.join("; ")));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = &schema["type"];
    if allowed != kind && !allowed.as_array().is_some_and(|allowed| allowed.contains(&json!(kind))) {
        return Err(format!("{value} is no {allowed}"));
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
        return Err(format!("{value} is none of {values:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(item, &schema["items"])?;
    }
    if let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
        for required in schema["required"].as_array().into_iter().flatten() {
            if !members.contains_key(required.as_str().unwrap()) {
                return Err(format!("{required} is missing"));
            }
        }
        for (name, value) in members {
            let schema = properties.get(name).ok_or_else(|| format!("{name} is not foreseen"))?;
            conforms(value, schema).map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_document_has_the_routes_of_the_template() {
    let routes = Template::load().functions.into_iter().flat_map(|function| function.routes);
    // Pages are for people.
    let of_api = routes.filter(|route| !route.is_page()).map(|route| route.key());
    let expected: BTreeSet<_> = of_api.filter(|route| route != "$default").collect();
    let answer = Stack::start().await.request("GET", "/v1/openapi.json").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let mut found = BTreeSet::new();
    for (path, item) in answer.body["paths"].as_object().unwrap() {
        found.extend(item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    assert_eq!(found, expected);
}

#[test]
fn no_two_operations_have_one_id_and_every_reference_leads_somewhere() {
    let items = DOCUMENT["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let ids: Vec<_> = items.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let text = DOCUMENT.to_string();
    for (at, _) in text.match_indices("\"$ref\":\"#") {
        let reference = text[at + 9..].split('"').next().unwrap();
        assert!(DOCUMENT.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn no_hint_and_no_question_stands_in_for_a_password() {
    let text = DOCUMENT.to_string().to_lowercase();
    for word in ["hint", "question", "mother", "maiden", "firstpet"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("\"currentpassword\""), "it is the document");
}

#[test]
fn an_answer_that_is_not_of_the_document_is_found() {
    let of = |text: &str| conforms(&json!({ "uid": text }), &json!({ "$ref": "#/components/schemas/CreatedUser" }));
    assert_eq!(of("64b8f1f0e1b2c3d4e5f60718"), Ok(()));
    let schema = json!({ "$ref": "#/components/schemas/CreatedUser" });
    assert!(conforms(&json!({}), &schema).unwrap_err().contains("missing"));
    assert!(conforms(&json!({ "uid": 1 }), &schema).unwrap_err().contains("is no"));
    assert!(conforms(&json!({ "uid": "", "secret": "" }), &schema).unwrap_err().contains("not foreseen"));
}

#[tokio::test]
async fn what_needs_no_caller_says_so() {
    let stack = Stack::start().await;
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            // Its credential stands in the path.
            if path == "/v1/auth/refresh/{token}" {
                continue;
            }
            let path = path.replace(['{', '}'], "");
            let answer = stack.request(&method.to_uppercase(), &path).json(&json!({})).send().await;
            let needs_caller = operation.get("security").is_none();
            assert_eq!(answer.code() == "UnAuthorizedAccess", needs_caller, "{method} {path}: {}", answer.text);
        }
    }
}
