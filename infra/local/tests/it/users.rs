//! Who am I.

use domain::role;
use insta::assert_snapshot;
use serde_json::json;

use crate::stack::Stack;

#[tokio::test]
async fn info_names_user_and_tenant() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let info = user.get("/v1/users/info").await;
    assert_eq!(info.status, 200);
    assert_eq!(info.body, json!({ "orgName": "northwind", "tenantUid": user.user.tenant, "userUid": user.user.uid }));
}

#[tokio::test]
async fn me_tells_roles_and_permissions() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let project = northwind.stack.service.store.projects(northwind.tenant.uid).await.unwrap()[0].uid;
    let viewer = northwind.person("Vera", &[role::TENANT_VIEWER.uid]).await;
    let me = viewer.get("/v1/users/me").await;
    assert_eq!(me.status, 200);
    let text = me
        .text
        .replace(&viewer.user.email, "EMAIL")
        .replace(&viewer.user.uid.to_string(), "USER")
        .replace(&viewer.user.tenant.to_string(), "TENANT")
        .replace(&project.to_string(), "PROJECT");
    assert_snapshot!(text, @r#"{"metadata":{"name":"Vera Test","uid":"USER"},"spec":{"emailId":"EMAIL","firstName":"Vera","lastName":"Test","roles":["6c6b0000726f6c6576696577"]},"status":{"isActive":true,"isContractAccepted":true,"loginMode":"devops","activationLink":"","tenant":{"orgName":"northwind","tenantUid":"TENANT"},"tenantPermissions":{"TENANT":["apiKey.get","apiKey.list","audit.get","audit.list","project.get","project.list","role.get","role.list","team.get","team.list","user.get","user.list"]},"projectPermissions":{"PROJECT":["project.get","project.list"]}}}"#);
    let user = northwind.user().await;
    let me = user.get("/v1/users/me").await;
    assert_eq!(me.body["status"]["tenantPermissions"], json!({ user.user.tenant.to_string(): [] }));
    assert_eq!(me.body["status"]["projectPermissions"], json!({}));
}
