//! Keystone's tokens: who gets in, what is kept and for how long, and what is answered when Keystone can't be asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::json;
use stacksnap_api::auth::keystone::{ByKeystone, Settings};
use stacksnap_common::config::Limits;
use stacksnap_common::store;
use stacksnap_openstack::{self as openstack, Credentials, Domain, Http, Scope, Session, User, fake, http};

use crate::support::{Reply, World};

struct Cloud {
    keystone: fake::Keystone,
    world: World,
}

fn settings() -> Settings {
    Settings {
        www_authenticate_uri: "https://keystone.example.org:5000".to_owned(),
        cache: Duration::from_secs(300),
        cache_refusals: Duration::from_secs(10),
        service_roles: vec!["service".to_owned()],
    }
}

async fn cloud() -> Cloud {
    with(settings(), "secret-of-stacksnap").await
}

async fn with(settings: Settings, password: &str) -> Cloud {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keystone = fake::Keystone::start().await;
    keystone.grant("alice", "demo", &["member", "reader"]);
    keystone.grant("rita", "demo", &["reader"]);
    keystone.grant("root", "ops", &["admin", "member", "reader"]);
    let domain = Domain::Name("Default".to_owned());
    let credentials = Credentials::Password {
        user: User::Name("stacksnap".to_owned(), domain.clone()),
        password: password.into(),
        scope: Scope::Project("service".to_owned(), domain),
    };
    let http = http::Settings { answer: Duration::from_millis(300), tries: 2, ..http::Settings::default() };
    let session =
        Session::new(Http::new(http).unwrap(), keystone.url(), credentials, openstack::Settings::default()).unwrap();
    let identity = ByKeystone::new(openstack::Keystone::new(session), settings);
    let world = World::with(store::Settings::default(), Limits::default(), Arc::new(identity));
    Cloud { keystone, world }
}

impl Cloud {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![("accept", "application/json")];
        all.extend(headers);
        self.world.ask(method, path, &all, b"").await
    }

    /// The status of a list of stacks.
    async fn list(&self, project: &str, token: &str) -> u16 {
        let reply = self.ask(Method::GET, &format!("/v1/{project}/stacks"), &[("x-auth-token", token)]).await;
        reply.status.as_u16()
    }
}

#[tokio::test]
async fn a_token_opens_its_own_project_as_its_roles_say() {
    let cloud = cloud().await;
    let alice = cloud.keystone.token("alice", Some("demo"));
    let rita = cloud.keystone.token("rita", Some("demo"));
    let root = cloud.keystone.token("root", Some("ops"));
    assert_eq!(cloud.list("demo-id", &alice).await, 200);
    assert_eq!(cloud.list("demo-id", &rita).await, 200);
    assert_eq!(cloud.list("ops-id", &alice).await, 403);
    assert_eq!(cloud.list("demo-id", &root).await, 200, "an admin acts in every project");
    let reply = cloud.ask(Method::DELETE, "/v1/demo-id/stacks/a/b", &[("x-auth-token", &rita)]).await;
    let (code, kind, message) = reply.fault();
    assert_eq!((code, kind.as_str()), (403, "Forbidden"));
    assert_eq!(message, "You are not authorized to use stacks:delete.");
}

#[tokio::test]
async fn the_owner_of_a_stack_is_the_tokens_user() {
    let cloud = cloud().await;
    let (id, secret) = cloud.keystone.credential("alice", "demo");
    let of_credential = Session::new(
        Http::new(http::Settings::default()).unwrap(),
        cloud.keystone.url(),
        Credentials::ApplicationCredential { id, secret: secret.into() },
        openstack::Settings::default(),
    );
    // A login by application credential: the fake keeps its tokens in order, so this is the last one.
    of_credential.unwrap().token().await.unwrap();
    let token = cloud.keystone.last_token();
    let body = json!({"stack_name": "s", "template": crate::support::template()}).to_string();
    let headers = [("x-auth-token", token.as_str()), ("content-type", "application/json")];
    let reply = cloud.world.ask(Method::POST, "/v1/demo-id/stacks", &headers, body.as_bytes()).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let path = reply.header("location").replace("http://127.0.0.1:8004", "");
    let stack = cloud.ask(Method::GET, &path, &[("x-auth-token", &token)]).await.json();
    assert_eq!(stack["stack"]["stack_owner"], "alice");
    assert_eq!(stack["stack"]["parameters"]["OS::project_id"], "demo-id");
}

#[tokio::test]
async fn what_is_no_token_is_401_as_keystones_middleware_says_it() {
    let cloud = cloud().await;
    let alice = cloud.keystone.token("alice", Some("demo"));
    let long = "x".repeat(9000);
    for headers in [
        vec![],
        vec![("x-auth-token", "")],
        vec![("x-auth-token", "nonsense")],
        vec![("x-auth-token", long.as_str())],
        vec![("x-auth-token", alice.as_str()), ("x-auth-token", alice.as_str())],
        vec![("x-auth-user", "alice"), ("x-auth-key", "secret-of-alice")],
    ] {
        let reply = cloud.ask(Method::GET, "/v1/demo-id/stacks", &headers).await;
        let body = json!({"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}});
        assert_eq!((reply.status.as_u16(), reply.json()), (401, body), "{headers:?}");
        assert_eq!(reply.header("www-authenticate"), "Keystone uri=\"https://keystone.example.org:5000\"");
    }
    // Only one of these was worth asking.
    assert_eq!(cloud.keystone.validations(), 1);
}

#[tokio::test]
async fn a_burst_asks_once_and_then_it_is_known() {
    let cloud = Arc::new(cloud().await);
    let alice = cloud.keystone.token("alice", Some("demo"));
    cloud.keystone.slow(Duration::from_millis(50));
    for (token, status) in [(alice.as_str(), 200), ("nonsense", 401)] {
        let before = cloud.keystone.validations();
        let burst = (0..30).map(|_| {
            let (cloud, token) = (Arc::clone(&cloud), token.to_owned());
            tokio::spawn(async move { cloud.list("demo-id", &token).await })
        });
        for one in burst.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap(), status);
        }
        assert_eq!(cloud.list("demo-id", token).await, status);
        assert_eq!(cloud.keystone.validations() - before, 1, "{token}");
    }
    assert_eq!(cloud.keystone.logins(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_good_until_the_cache_forgets_it() {
    let short = Duration::from_millis(100);
    let cloud = with(Settings { cache: short, cache_refusals: short, ..settings() }, "secret-of-stacksnap").await;
    let alice = cloud.keystone.token("alice", Some("demo"));
    assert_eq!(cloud.list("demo-id", &alice).await, 200);
    cloud.keystone.revoke(&alice);
    let deadline = Instant::now() + Duration::from_secs(10);
    while cloud.list("demo-id", &alice).await != 401 {
        assert!(Instant::now() < deadline, "a revoked token is good for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_token_is_not_kept_beyond_its_end() {
    let cloud = cloud().await;
    let alice = cloud.keystone.token("alice", Some("demo"));
    #[expect(clippy::disallowed_methods, reason = "a test's clock")]
    let soon = (std::time::SystemTime::now() + Duration::from_secs(2)).duration_since(std::time::UNIX_EPOCH).unwrap();
    cloud.keystone.ends_at(&alice, soon);
    assert_eq!(cloud.list("demo-id", &alice).await, 200);
    let deadline = Instant::now() + Duration::from_secs(10);
    while cloud.list("demo-id", &alice).await != 401 {
        assert!(Instant::now() < deadline, "a token that has ended is kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_keystone_that_is_away_lets_nobody_new_in() {
    let cloud = cloud().await;
    let alice = cloud.keystone.token("alice", Some("demo"));
    let rita = cloud.keystone.token("rita", Some("demo"));
    assert_eq!(cloud.list("demo-id", &alice).await, 200);
    cloud.keystone.away(true);
    for token in [rita.as_str(), "nonsense"] {
        let reply = cloud.ask(Method::GET, "/v1/demo-id/stacks", &[("x-auth-token", token)]).await;
        let message = "The server is currently unavailable. Please try again at a later time.<br /><br />\nThe Keystone service is temporarily unavailable.\n\n";
        let body = json!({"message": message, "code": "503 Service Unavailable", "title": "Service Unavailable"});
        assert_eq!((reply.status.as_u16(), reply.json()), (503, body));
    }
    assert_eq!(cloud.list("demo-id", &alice).await, 200, "what is known stays known");
    cloud.keystone.away(false);
    assert_eq!(cloud.list("demo-id", &rita).await, 200);
    assert_eq!(cloud.list("demo-id", "nonsense").await, 401);

    cloud.keystone.slow(Duration::from_secs(60));
    let start = Instant::now();
    assert_eq!(cloud.list("demo-id", "another").await, 503);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn our_own_token_is_fetched_anew_once_and_a_wrong_password_lets_nobody_in() {
    let cloud = cloud().await;
    let alice = cloud.keystone.token("alice", Some("demo"));
    let rita = cloud.keystone.token("rita", Some("demo"));
    assert_eq!(cloud.list("demo-id", &alice).await, 200);
    cloud.keystone.revoke_all("stacksnap");
    assert_eq!(cloud.list("demo-id", &rita).await, 200);
    assert_eq!(cloud.keystone.logins(), 2);
    let wrong = with(settings(), "wrong").await;
    let alice = wrong.keystone.token("alice", Some("demo"));
    assert_eq!(wrong.list("demo-id", &alice).await, 503);
    // A service user who may not ask about others.
    let cloud = with(settings(), "secret-of-stacksnap").await;
    cloud.keystone.grant("stacksnap", "service", &["reader"]);
    let alice = cloud.keystone.token("alice", Some("demo"));
    assert_eq!(cloud.list("demo-id", &alice).await, 503);
}

#[tokio::test]
async fn a_services_token_carries_one_that_has_ended() {
    let cloud = cloud().await;
    cloud.keystone.grant("nova", "service", &["service"]);
    let alice = cloud.keystone.token("alice", Some("demo"));
    let nova = cloud.keystone.token("nova", Some("service"));
    let rita = cloud.keystone.token("rita", Some("demo"));
    cloud.keystone.expire(&alice);
    for (service, status) in
        [(None, 401), (Some("nonsense"), 401), (Some(rita.as_str()), 401), (Some(nova.as_str()), 200)]
    {
        let mut headers = vec![("x-auth-token", alice.as_str())];
        headers.extend(service.map(|token| ("x-service-token", token)));
        let reply = cloud.ask(Method::GET, "/v1/demo-id/stacks", &headers).await;
        assert_eq!(reply.status, status, "{service:?}: {}", reply.text);
    }
    // A wrong one spoils a good token too.
    let headers = [("x-auth-token", rita.as_str()), ("x-service-token", "nonsense")];
    assert_eq!(cloud.ask(Method::GET, "/v1/demo-id/stacks", &headers).await.status, 401);
}

#[tokio::test]
async fn tokens_without_a_project_open_none_but_the_systems_admins() {
    let cloud = cloud().await;
    let unscoped = cloud.keystone.token("alice", None);
    let admin = json!([{"id": "admin-id", "name": "admin"}]);
    let of_domain = cloud.keystone.token("root", None);
    cloud.keystone.change(&of_domain, |token| {
        token["domain"] = json!({"id": "default", "name": "Default"});
        token["roles"] = admin.clone();
    });
    let of_system = cloud.keystone.token("root", None);
    cloud.keystone.change(&of_system, |token| {
        token["system"] = json!({"all": true});
        token["roles"] = admin.clone();
    });
    let of_another = cloud.keystone.token("root", Some("ops"));
    cloud.keystone.change(&of_another, |token| token["is_admin_project"] = false.into());
    for (token, status) in [(&unscoped, 403), (&of_domain, 403), (&of_system, 200), (&of_another, 403)] {
        assert_eq!(cloud.list("demo-id", token).await, status, "{token}");
    }
    assert_eq!(cloud.list("ops-id", &of_another).await, 200, "it has its own project all the same");
}
