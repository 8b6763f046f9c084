//! A worker that is killed after it has noted what Heat says and before it has told that this is somebody else's change:
//! the one after it must not take what was noted for what was seen before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use stacksnap_common::store::faulty::Faulty;
use stacksnap_openstack::fake::heat::Heat;
use tokio_util::sync::CancellationToken;

use crate::support::service::{Service, User};

const PATIENCE: Duration = Duration::from_secs(120);

async fn ask(service: &Service, method: Method, path: &str) -> Value {
    let http = Client::builder().timeout(PATIENCE).build().unwrap();
    let mut request = http.request(method.clone(), format!("{}{path}", service.url()));
    request = request.header("x-auth-token", "p:demo").header("accept", "application/json");
    if method == Method::POST {
        request = request.json(&json!({"name": "s"}));
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_noted_and_not_told_is_told_by_the_next_worker() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let heat = Heat::start().await;
    let users = [User { token: "p:demo", project: "p", role: "member", name: "demo" }];
    let service = Service::start(&users, Some(heat.url())).await;
    let template =
        json!({"heat_template_version": "2018-08-31", "resources": {"t": {"type": "OS::Heat::TestResource"}}});
    let id = heat.stack("p", "s", template);
    let stack = format!("/v1/p/stacks/s/{id}");
    // It is looked at when the request comes, and then by the worker.
    heat.change_on_look(&id, 2);
    ask(&service, Method::POST, &format!("{stack}/snapshots")).await;

    // Noting is the first thing that a worker writes into the stack's record, and the last thing that this one does.
    let killed = Arc::new(Faulty::new(service.backend()));
    killed.away_after("stack/");
    let end = CancellationToken::new();
    let first = service.worker("first", Arc::clone(&killed) as _, end.clone());
    service.release().await;
    let until = Instant::now() + PATIENCE;
    while !killed.is_away() {
        assert!(Instant::now() < until, "nothing was noted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end.cancel();
    first.abort();

    let end = CancellationToken::new();
    let second = service.worker("second", service.backend(), end.clone());
    let until = Instant::now() + PATIENCE;
    let shown = loop {
        let shown = ask(&service, Method::GET, &stack).await["stack"].clone();
        if shown["stack_status"] != "SNAPSHOT_IN_PROGRESS" {
            break shown;
        }
        assert!(Instant::now() < until, "{shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(shown["stack_status"], "SNAPSHOT_FAILED", "{shown}");
    let reason = shown["stack_status_reason"].as_str().unwrap();
    assert!(reason.contains("was changed in Heat meanwhile") && reason.contains("UPDATE_COMPLETE"), "{reason}");
    end.cancel();
    second.await.unwrap();
    service.stop().await;
}
