//! What a function may do at the tables, by the IAM statements of the template, so that a permission which is missing
//! in the cloud is missing here too.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a function may do, and somebody who watches what it does.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The name of the function.
    pub function: String,
    /// What it may do.
    pub policy: Policy,
    /// Who watches.
    pub witness: Witness,
}

/// Sees what functions do.
#[derive(Clone, Default)]
pub struct Witness(Option<Arc<See>>);

type See = dyn Fn(&Seen) + Send + Sync;

/// Something that a function did, or was kept from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The name of the function.
    pub function: String,
    /// What it did.
    pub access: Access,
    /// The name in the template of what it did that to.
    pub resource: String,
    /// Whether its policy allowed it.
    pub is_allowed: bool,
}

impl Witness {
    /// One that is told of everything.
    pub fn new(see: impl Fn(&Seen) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(see)))
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Guard {
    /// Whether every access is allowed.
    ///
    /// - `resource_of`: the name in the template of a table.
    ///
    /// # Errors
    ///
    /// The first access that no statement allows.
    pub fn check(&self, accesses: &[Access], resource_of: impl Fn(&str) -> Option<String>) -> Result<(), Access> {
        let mut denied = None;
        for access in accesses {
            let resource = resource_of(&access.table).unwrap_or_default();
            let is_allowed = self.policy.allows(access, &resource);
            if let Some(see) = &self.witness.0 {
                see(&Seen { function: self.function.clone(), access: access.clone(), resource, is_allowed });
            }
            if !is_allowed {
                denied = denied.or_else(|| Some(access.clone()));
            }
        }
        denied.map_or(Ok(()), Err)
    }
}

/// The statements of one function.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Each allows something; what none allows is denied.
    pub statements: Vec<Statement>,
    /// What these allow is denied too unless one of those allows it.
    pub boundary: Vec<Statement>,
}

/// One statement, which allows.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The name in the template of the policy that it stands in, if several functions share that.
    pub managed: Option<String>,
    /// Such as `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// Names of resources in the template.
    pub resources: Vec<String>,
    /// If set, only items whose partition key is like one of these.
    pub leading_keys: Option<Vec<String>>,
    /// If set, only these attributes.
    pub attributes: Option<Vec<String>>,
}

/// One thing that a call does: IAM looks at each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Such as `dynamodb:GetItem`; a transaction counts as the writes in it.
    pub action: String,
    /// The table, or whatever else the call is to, as the call names it.
    pub table: String,
    /// The index of the table, where the call names one.
    pub index: Option<String>,
    /// The partition key of the items, where the call names one.
    pub leading_keys: Vec<String>,
    /// The attributes that the call names.
    pub attributes: Vec<String>,
}

impl Policy {
    /// Whether a statement allows this, and one of the boundary.
    ///
    /// - `resource`: the name in the template of what the access is to.
    pub fn allows(&self, access: &Access, resource: &str) -> bool {
        [&self.statements, &self.boundary].iter().all(|of| of.iter().any(|it| it.allows(access, resource)))
    }
}

impl Statement {
    /// Whether this one allows that.
    pub fn allows(&self, access: &Access, resource: &str) -> bool {
        self.actions.contains(&access.action)
            && self.resources.iter().any(|allowed| match &access.index {
                None => allowed == resource,
                Some(index) => *allowed == format!("${{{resource}.Arn}}/index/{index}"),
            })
            && self.attributes.as_ref().is_none_or(|allowed| {
                !access.attributes.is_empty() && access.attributes.iter().all(|name| allowed.contains(name))
            })
            && self.leading_keys.as_ref().is_none_or(|allowed| {
                !access.leading_keys.is_empty()
                    && access.leading_keys.iter().all(|key| allowed.iter().any(|pattern| is_like(key, pattern)))
            })
    }
}

/// `StringLike`, as far as the template uses it: a `*` at the end stands for anything.
fn is_like(key: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(key == pattern, |start| key.starts_with(start))
}

impl Access {
    /// A call that names no items.
    ///
    /// - `action`: such as `kms:Decrypt`.
    /// - `to`: what it names.
    pub fn call(action: &str, to: &str) -> Self {
        let (action, table) = (action.to_owned(), to.to_owned());
        Self { action, table, index: None, leading_keys: Vec::new(), attributes: Vec::new() }
    }
}

/// What a call of DynamoDB does to which table.
pub fn accesses(operation: &str, body: &Value) -> Vec<Access> {
    let access = |action: &str, table: &Value, call: &Value| Access {
        action: format!("dynamodb:{action}"),
        table: table.as_str().unwrap_or_default().to_owned(),
        index: call["IndexName"].as_str().map(ToOwned::to_owned),
        leading_keys: leading_keys(call),
        attributes: attributes(call),
    };
    match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let of_table = |(table, call): (&String, &Value)| {
                let keys = call["Keys"].as_array().into_iter().flatten();
                let mut leading_keys: Vec<String> =
                    keys.filter_map(|key| key["pk"]["S"].as_str().map(ToOwned::to_owned)).collect();
                leading_keys.dedup();
                Access { leading_keys, ..access(operation, &Value::from(table.as_str()), &Value::Null) }
            };
            tables.map(of_table).collect()
        }
        "TransactWriteItems" => {
            let writes = body["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
            writes
                .map(|(kind, write)| {
                    let action =
                        if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
                    access(&action, &write["TableName"], write)
                })
                .collect()
        }
        _ => vec![access(operation, &body["TableName"], body)],
    }
}

/// The attributes that a write names: those of its key or item, and those that it stands other names for. No expression of ours
/// names one in any other way, but for the key.
fn attributes(call: &Value) -> Vec<String> {
    let key = call["Key"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let put = call["Item"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let named = call["ExpressionAttributeNames"].as_object().into_iter().flatten();
    key.chain(put).chain(named.filter_map(|(_, name)| name.as_str().map(ToOwned::to_owned))).collect()
}

/// The partition key that a call names: of `pk`, the only one that a condition of ours is about.
fn leading_keys(call: &Value) -> Vec<String> {
    let of_item = |item: &Value| item["pk"]["S"].as_str().map(ToOwned::to_owned);
    let of_query = || {
        let condition = call["KeyConditionExpression"].as_str()?;
        condition
            .starts_with("pk = :pk")
            .then_some(&call["ExpressionAttributeValues"][":pk"]["S"])?
            .as_str()
            .map(ToOwned::to_owned)
    };
    of_item(&call["Key"]).or_else(|| of_item(&call["Item"])).or_else(of_query).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(actions: &[&str], leading_keys: Option<&[&str]>) -> Policy {
        let text = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let statement = Statement {
            managed: None,
            actions: text(actions),
            resources: text(&["TenantsTable"]),
            leading_keys: leading_keys.map(text),
            attributes: None,
        };
        Policy { boundary: vec![everything()], statements: vec![statement] }
    }

    fn everything() -> Statement {
        let text = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        Statement {
            managed: None,
            actions: ["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem"]
                .map(|it| format!("dynamodb:{it}"))
                .to_vec(),
            resources: text(&["TenantsTable", "KeysTable", "${TenantsTable.Arn}/index/by-expiry"]),
            leading_keys: None,
            attributes: None,
        }
    }

    #[test]
    fn nothing_goes_beyond_the_boundary() {
        let get = json!({ "TableName": "tenants", "Key": { "pk": { "S": "TENANT#1" } } });
        let mut bounded = policy(&["dynamodb:GetItem"], None);
        assert_eq!(denied(&bounded, "GetItem", &get), None);
        bounded.boundary[0].actions.retain(|action| action != "dynamodb:GetItem");
        assert_eq!(denied(&bounded, "GetItem", &get).unwrap(), "GetItem");
    }

    #[test]
    fn a_batch_is_about_the_partitions_of_all_its_keys() {
        let users = policy(&["dynamodb:BatchGetItem"], Some(&["USER#*"]));
        let batch = |keys: &[&str]| {
            let keys: Vec<Value> = keys.iter().map(|pk| json!({ "pk": { "S": pk }, "sk": { "S": "x" } })).collect();
            json!({ "RequestItems": { "tenants": { "Keys": keys } } })
        };
        assert_eq!(denied(&users, "BatchGetItem", &batch(&["USER#1", "USER#2"])), None);
        assert!(denied(&users, "BatchGetItem", &batch(&["USER#1", "ONCE#2"])).is_some());
    }

    fn denied(policy: &Policy, operation: &str, body: &Value) -> Option<String> {
        let resource_of = |table: &str| Some(if table == "tenants" { "TenantsTable" } else { "KeysTable" }.to_owned());
        let guard = Guard { function: String::new(), policy: policy.clone(), witness: Witness::default() };
        let action = guard.check(&accesses(operation, body), resource_of).err().map(|access| access.action);
        action.map(|action| action.trim_start_matches("dynamodb:").to_owned())
    }

    #[test]
    fn what_no_statement_allows_is_denied() {
        let get = json!({ "TableName": "tenants", "Key": { "pk": { "S": "TENANT#1" } } });
        assert_eq!(denied(&policy(&["dynamodb:GetItem"], None), "GetItem", &get), None);
        assert_eq!(denied(&policy(&["dynamodb:Query"], None), "GetItem", &get).unwrap(), "GetItem");
        assert_eq!(denied(&Policy::default(), "GetItem", &get).unwrap(), "GetItem");
        let elsewhere = json!({ "TableName": "keys", "Key": { "uid": { "S": "1" } } });
        assert_eq!(denied(&policy(&["dynamodb:GetItem"], None), "GetItem", &elsewhere).unwrap(), "GetItem");
    }

    #[test]
    fn a_transaction_needs_the_permission_of_each_write() {
        let body = json!({ "TransactItems": [
            { "Put": { "TableName": "tenants", "Item": { "pk": { "S": "a" } } } },
            { "Delete": { "TableName": "tenants", "Key": { "pk": { "S": "b" } } } },
        ] });
        let both = policy(&["dynamodb:PutItem", "dynamodb:DeleteItem"], None);
        assert_eq!(denied(&both, "TransactWriteItems", &body), None);
        assert_eq!(denied(&policy(&["dynamodb:PutItem"], None), "TransactWriteItems", &body).unwrap(), "DeleteItem");
    }

    #[test]
    fn an_index_is_another_resource_and_attributes_are_those_that_are_named() {
        let query = json!({ "TableName": "tenants", "IndexName": "by-expiry" });
        let mut on_index = policy(&["dynamodb:Query"], None);
        assert!(denied(&on_index, "Query", &query).is_some());
        on_index.statements[0].resources = vec!["${TenantsTable.Arn}/index/by-expiry".to_owned()];
        assert_eq!(denied(&on_index, "Query", &query), None);
        let mut stamp = policy(&["dynamodb:UpdateItem"], None);
        stamp.statements[0].attributes = Some(["pk", "sk", "last_used_at"].map(ToOwned::to_owned).to_vec());
        let update = |name: &str| {
            json!({ "TableName": "tenants", "Key": { "pk": { "S": "a" }, "sk": { "S": "b" } },
                    "UpdateExpression": "SET #a = :a", "ExpressionAttributeNames": { "#a": name } })
        };
        assert_eq!(denied(&stamp, "UpdateItem", &update("last_used_at")), None);
        assert!(denied(&stamp, "UpdateItem", &update("roles")).is_some());
    }

    #[test]
    fn a_leading_key_confines_to_its_partition() {
        let signing = policy(&["dynamodb:Query"], Some(&["SIGNING"]));
        let query = |pk: &str| {
            json!({ "TableName": "tenants", "KeyConditionExpression": "pk = :pk",
                    "ExpressionAttributeValues": { ":pk": { "S": pk } } })
        };
        assert_eq!(denied(&signing, "Query", &query("SIGNING")), None);
        assert!(denied(&signing, "Query", &query("TENANT#1")).is_some());
        assert!(denied(&signing, "Query", &json!({ "TableName": "tenants" })).is_some());
        let users = policy(&["dynamodb:Query"], Some(&["USER#*"]));
        assert_eq!(denied(&users, "Query", &query("USER#1")), None);
        assert!(denied(&users, "Query", &query("TENANT#USER#1")).is_some());
    }
}
