//! A session and its clients against the fake cloud, and against servers that misbehave.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::any;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::fake;
use crate::keystone::NewTrust;
use crate::{Credentials, Domain, Error, Http, Keystone, Method, Request, Scope, Session, Settings, Url, User, http};

fn pool(settings: http::Settings) -> Http {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Http::new(settings).unwrap()
}

fn quick() -> Http {
    pool(http::Settings { answer: Duration::from_secs(5), ..http::Settings::default() })
}

fn password(user: &str, project: &str) -> Credentials {
    let domain = Domain::Id("default".to_owned());
    Credentials::Password {
        user: User::Name(user.to_owned(), domain.clone()),
        password: SecretString::from(format!("secret-of-{user}")),
        scope: Scope::Project(project.to_owned(), domain),
    }
}

fn session(cloud: &fake::Keystone, credentials: Credentials) -> Session {
    Session::new(quick(), cloud.url(), credentials, Settings::default()).unwrap()
}

fn service(cloud: &fake::Keystone) -> Keystone {
    Keystone::new(session(cloud, password("stacksnap", "service")))
}

/// A server that gives each call the next of these answers, the last one for ever; and how often it was called.
async fn answering(answers: Vec<(u16, Option<&'static str>)>) -> (Url, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let router = Router::new().fallback(any(move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        let (status, after) = answers[call.min(answers.len() - 1)];
        let mut answer = StatusCode::from_u16(status).unwrap().into_response();
        if let Some(after) = after {
            answer.headers_mut().insert("retry-after", after.parse().unwrap());
        }
        async move { answer }
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, calls)
}

#[tokio::test]
async fn every_kind_of_credentials_gets_a_token() {
    let cloud = fake::Keystone::start().await;
    cloud.grant("alice", "demo", &["member", "reader"]);
    let (id, secret) = cloud.credential("alice", "demo");
    let given = cloud.token("alice", None);
    let all = [
        password("alice", "demo"),
        Credentials::ApplicationCredential { id, secret: secret.into() },
        Credentials::Token { token: given.clone().into(), scope: Scope::ProjectId("demo-id".to_owned()) },
        Credentials::Given(cloud.token("alice", Some("demo")).into()),
    ];
    for credentials in all {
        let token = session(&cloud, credentials.clone()).token().await.unwrap();
        assert_eq!((token.user.name.as_str(), token.project.unwrap().id.as_str()), ("alice", "demo-id"));
        let shown = format!("{credentials:?}");
        assert!(!shown.contains("secret-") && !shown.contains("gAAAA"), "{shown}");
    }
    let unscoped = session(&cloud, Credentials::Given(given.into())).token().await.unwrap();
    assert!(unscoped.project.is_none() && unscoped.roles.is_empty());
    let wrong = session(&cloud, password("alice", "other")).token().await.unwrap_err();
    assert!(wrong.is_unauthorized() && !wrong.is_transient(), "{wrong}");
    assert!(wrong.to_string().contains("(req-"), "an error names the service's request id: {wrong}");
}

#[tokio::test]
async fn any_number_of_calls_at_once_log_in_once() {
    let cloud = fake::Keystone::start().await;
    cloud.list_service("orchestration", "http://127.0.0.1:1/v1/p/");
    let session = session(&cloud, password("stacksnap", "service"));
    let calls = (0..20).map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.endpoint("orchestration").await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().as_str(), "http://127.0.0.1:1/v1/p");
    }
    assert_eq!(cloud.logins(), 1);
}

#[tokio::test]
async fn a_keystone_that_hangs_holds_up_everybody_once() {
    let cloud = fake::Keystone::start().await;
    cloud.slow(Duration::from_secs(3600));
    let http = pool(http::Settings { answer: Duration::from_millis(300), tries: 1, ..http::Settings::default() });
    let credentials = password("stacksnap", "service");
    let session = Session::new(http, cloud.url(), credentials, Settings::default()).unwrap();
    let start = Instant::now();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move { session.token().await.unwrap_err() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_transient());
    }
    assert!(start.elapsed() < Duration::from_secs(10), "one after the other they took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_refused_token_of_ours_is_fetched_anew_once() {
    let cloud = fake::Keystone::start().await;
    cloud.grant("alice", "demo", &["member"]);
    let keystone = service(&cloud);
    let alice = SecretString::from(cloud.token("alice", Some("demo")));
    assert_eq!(keystone.validate(&alice, false).await.unwrap().unwrap().user.name, "alice");
    cloud.revoke_all("stacksnap");
    assert!(keystone.validate(&alice, false).await.unwrap().is_some());
    assert_eq!((cloud.logins(), cloud.validations()), (2, 3));
    // Without the password there is no new one, and no endless asking.
    let given = Keystone::new(keystone.session().with(Credentials::Given("gone-token".into())));
    assert!(given.validate(&alice, false).await.unwrap_err().is_unauthorized());
    assert_eq!((cloud.logins(), cloud.validations()), (2, 4));
}

#[tokio::test]
async fn a_token_that_ends_soon_is_not_used_any_more() {
    let cloud = fake::Keystone::start().await;
    let session = session(&cloud, password("stacksnap", "service"));
    session.token().await.unwrap();
    session.token().await.unwrap();
    assert_eq!(cloud.logins(), 1);
    let left = session.token().await.unwrap().left();
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600), "{left:?}");
    // The next one is good for half a minute only, so it serves one call and is then fetched anew.
    cloud.revoke_all("stacksnap");
    cloud.lifetime(Duration::from_secs(30));
    let keystone = Keystone::new(session.clone());
    assert!(keystone.validate(&"nonsense".into(), false).await.unwrap().is_none());
    assert_eq!(cloud.logins(), 2);
    cloud.lifetime(Duration::from_secs(3600));
    session.token().await.unwrap();
    session.token().await.unwrap();
    assert_eq!(cloud.logins(), 3);
}

#[tokio::test]
async fn tokens_are_told_from_what_is_none() {
    let cloud = fake::Keystone::start().await;
    cloud.grant("alice", "demo", &["member"]);
    let keystone = service(&cloud);
    let alice = cloud.token("alice", Some("demo"));
    let token = SecretString::from(alice.as_str());
    assert!(keystone.validate(&"nonsense".into(), false).await.unwrap().is_none());
    cloud.expire(&alice);
    assert!(keystone.validate(&token, false).await.unwrap().is_none());
    assert_eq!(keystone.validate(&token, true).await.unwrap().unwrap().left(), Duration::ZERO);
    // Who may not ask gets an error, not an answer.
    cloud.grant("bob", "demo", &["member"]);
    let nobody = Keystone::new(session(&cloud, password("bob", "demo")));
    assert_eq!(nobody.validate(&token, true).await.unwrap_err().status(), Some(StatusCode::FORBIDDEN));
    cloud.away(true);
    let away = keystone.validate(&token, false).await.unwrap_err();
    assert!(away.is_transient(), "{away}");
}

#[tokio::test]
async fn a_trust_is_made_used_and_deleted() {
    let cloud = fake::Keystone::start().await;
    cloud.grant("alice", "demo", &["member", "reader"]);
    let alice = Credentials::Given(cloud.token("alice", Some("demo")).into());
    let trustor = Keystone::new(session(&cloud, alice));
    let us = service(&cloud).session().token().await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's clock")]
    let expires_at = Timestamp::now() + SignedDuration::from_hours(1);
    let wanted = |roles: &[&str]| NewTrust {
        trustor_user_id: "alice-id".to_owned(),
        trustee_user_id: us.user.id.clone(),
        project_id: "demo-id".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        expires_at,
        impersonation: true,
    };
    let refused = trustor.create_trust(&wanted(&["admin"])).await.unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::NOT_FOUND));
    let trust = trustor.create_trust(&wanted(&["member"])).await.unwrap();
    assert_eq!(trustor.trusts_by("alice-id").await.unwrap(), std::slice::from_ref(&trust));
    assert_eq!(trustor.trust(&trust.id).await.unwrap(), trust);

    let trustee = Credentials::Password {
        user: User::Id("stacksnap-id".to_owned()),
        password: "secret-of-stacksnap".into(),
        scope: Scope::Trust(trust.id.clone()),
    };
    let trustee = session(&cloud, trustee);
    let token = trustee.token().await.unwrap();
    assert_eq!((token.user.name.as_str(), token.trust.unwrap().id), ("alice", trust.id.clone()));
    let keystone = Keystone::new(trustee);
    keystone.delete_trust(&trust.id).await.unwrap();
    keystone.delete_trust(&trust.id).await.unwrap();
    assert_eq!(cloud.trusts(), 0);
    assert!(trustor.trust(&trust.id).await.unwrap_err().is_gone());
}

#[tokio::test]
async fn only_what_may_be_repeated_is_sent_again() {
    let http = quick();
    for (method, answers, sent, end) in [
        (Method::GET, vec![(503, None), (429, Some("0")), (200, None)], 3, 200),
        (Method::DELETE, vec![(503, None), (204, None)], 2, 204),
        (Method::GET, vec![(503, None)], 3, 503),
        (Method::POST, vec![(503, Some("0")), (200, None)], 1, 503),
        (Method::GET, vec![(500, None)], 1, 500),
        (Method::GET, vec![(404, None)], 1, 404),
        // Told to wait for an hour, it is the caller who waits.
        (Method::GET, vec![(429, Some("3600")), (200, None)], 1, 429),
    ] {
        let (url, calls) = answering(answers.clone()).await;
        let answer = http.send(Request::new(method.clone(), url)).await;
        let status = answer.as_ref().map_or_else(|error| error.status().unwrap(), |reply| reply.status);
        assert_eq!((calls.load(Ordering::SeqCst), status.as_u16()), (sent, end), "{method} {answers:?}");
        if end == 429 {
            assert_eq!(answer.unwrap_err().after(), Some(Duration::from_secs(3600)));
        }
    }
    let (url, calls) = answering(vec![(503, None), (200, None)]).await;
    http.send(Request::post(url).repeatable()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn no_answer_is_an_error_in_time() {
    let http = pool(http::Settings { answer: Duration::from_millis(200), tries: 2, ..http::Settings::default() });
    // Accepts and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://user:word@{}/x?key=secret", silent.local_addr().unwrap()).parse().unwrap();
    let error = http.send(Request::get(url)).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer { sent: true, .. }) && error.is_transient(), "{error}");
    let text = error.to_string();
    assert!(text.contains("no answer in time") && !text.contains("secret") && !text.contains("word@"), "{text}");

    let address = silent.local_addr().unwrap();
    drop(silent);
    let error = http.send(Request::get(format!("http://{address}/").parse().unwrap())).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer { sent: false, .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_secret_is_in_no_error_and_no_debug() {
    let router = Router::new().fallback(any(|headers: axum::http::HeaderMap| async move {
        let token = headers["x-auth-token"].to_str().unwrap().to_owned();
        (StatusCode::BAD_REQUEST, format!("{{\"error\": {{\"message\": \"no such token: {token}\"}}}}"))
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let request = Request::get(url).token(&"gAAAA-very-secret".into()).unwrap();
    assert!(!format!("{request:?}").contains("gAAAA"), "{request:?}");
    let error = quick().send(request).await.unwrap_err();
    assert!(error.to_string().contains("no such token: …"), "{error}");
    assert!(Request::get("http://h/".parse().unwrap()).token(&"a\nb".into()).is_err());
}

#[test]
fn an_auth_url_is_understood_with_its_version_or_without() {
    let http = quick();
    let found = |url: &str| {
        let session = Session::new(http.clone(), url.parse().unwrap(), password("a", "b"), Settings::default());
        session.map(|session| session.auth_url().to_string()).unwrap_or_else(|error| error.to_string())
    };
    assert_eq!(found("http://h:5000"), "http://h:5000/v3");
    assert_eq!(found("https://h/identity/v3/"), "https://h/identity/v3");
    assert!(found("ftp://h").contains("is not an http:// or https:// URL"));
}

#[test]
fn a_ca_file_is_read_and_a_wrong_one_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let wrong = |path: &std::path::Path| {
        let settings = http::Settings { cafile: Some(path.to_owned()), ..http::Settings::default() };
        Http::new(settings).unwrap_err().to_string()
    };
    assert!(wrong(&path).contains("can't be read"));
    std::fs::write(&path, "nothing").unwrap();
    assert!(wrong(&path).contains("no certificate"), "{}", wrong(&path));
}
