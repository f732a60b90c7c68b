#[tokio::test]
async fn proof_removal_is_stuck() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let store = stack.service.store.clone();
    let (key, value) = drawn(&stack, &user, "old");
    store.on_record(&[]).create_api_key(&key, &value.digest(), 20, None).await.unwrap();
    stack.advance(Duration::from_secs(3601));
    stack.sweep().await;
    for part in [Part::Key, Part::Index, Part::Name] {
        remove_by_ttl(&stack, &key, part).await;
    }
    let user_path = format!("/v1/users/{}", user.user.uid);
    let deleted = admin.delete(&user_path).await;
    println!("PROOF removal: {} {}", deleted.status, deleted.text);
    println!("PROOF keys left: {}", store.api_keys_of_user(user.user.tenant, user.user.uid).await.unwrap().len());
    let deleted = admin.delete(&user_path).await;
    println!("PROOF removal again: {} {}", deleted.status, deleted.text);
}

#[tokio::test]
async fn proof_limit_is_passed() {
    let (stack, store, user) = user().await;
    let (key, value) = drawn(&stack, &user, "old");
    // First key of the user and this one: two of two.
    store.on_record(&[]).create_api_key(&key, &value.digest(), 2, None).await.unwrap();
    stack.advance(Duration::from_secs(3600 + 31 * 86_400));
    remove_by_ttl(&stack, &key, Part::Index).await;
    let (third, value) = drawn(&stack, &user, "third");
    store.on_record(&[]).create_api_key(&third, &value.digest(), 2, None).await.unwrap();
    let path = format!("/v1/apiKeys/{}", key.uid);
    let later = (stack.clock.now() + Duration::from_secs(900)).to_string();
    println!("PROOF extend: {}", user.put(&path, json!({ "spec": { "expiry": later } })).await.status);
    println!("PROOF keys: {}", store.api_keys_of_user(key.tenant, key.user).await.unwrap().len());
    let keys = store.api_keys_of_user(key.tenant, key.user).await.unwrap();
    for key in keys {
        store.on_record(&[]).delete_api_key(&key).await.unwrap();
    }
    let contents = stack.contents().await;
    let count = contents.lines().filter(|line| line.contains("PROFILE") && line.contains(&user.user.uid.to_string()));
    for line in count {
        let at = line.find("key_count").unwrap();
        println!("PROOF count: {}", &line[at..at + 30]);
    }
}

#[tokio::test]
async fn proof_name_taken() {
    let (stack, store, user) = user().await;
    let (key, value) = drawn(&stack, &user, "old");
    store.on_record(&[]).create_api_key(&key, &value.digest(), 20, None).await.unwrap();
    stack.advance(Duration::from_secs(3600 + 31 * 86_400));
    let (next, value) = drawn(&stack, &user, "old");
    store.on_record(&[]).create_api_key(&next, &value.digest(), 20, None).await.unwrap();
    let path = format!("/v1/apiKeys/{}", key.uid);
    println!("PROOF delete with name taken: {}", user.delete(&path).await.status);
    println!("PROOF rename with name taken: {}", user.put(&path, json!({ "metadata": { "name": "other" } })).await.status);
}

#[tokio::test]
async fn proof_enable_outlives() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let key = user.api_key("deploy").await;
    let path = format!("/v1/users/{}", user.user.uid);
    let set = |to: bool| json!([{ "op": "replace", "path": "/status/isActive", "value": to }]);
    println!("PROOF disable: {}", admin.patch(&path, set(false)).await.status);
    let store = stack.service.store.clone();
    let read = store.user(user.user.tenant, user.user.uid).await.unwrap().unwrap();
    // Between read and write of an enabling: enabled and disabled once more; then disabled in vain.
    println!("PROOF enable: {}", admin.patch(&path, set(true)).await.status);
    println!("PROOF disable: {}", admin.patch(&path, set(false)).await.status);
    println!("PROOF disable: {}", admin.patch(&path, set(false)).await.status);
    let after = domain::User { is_active: true, ..read.clone() };
    println!("PROOF late enable: {:?}", store.on_record(&[]).replace_user(&read, &after).await.is_ok());
    let opens = stack.request("GET", "/v1/users/me").header("ApiKey", &key.value).send().await.status;
    println!("PROOF key opens: {opens}");
}
