//! The client against the fake Glance.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::Glance;
use crate::{Credentials, Domain, Http, Scope, Session, Settings, User, fake, http};

#[tokio::test]
async fn a_list_is_read_to_its_last_page_with_a_version_in_the_catalogue_or_without() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keystone = fake::Keystone::start().await;
    keystone.grant("alice", "demo", &["member"]);
    let fake = fake::Glance::start(&keystone).await;
    for _ in 0..501 {
        fake.image("demo-id", "same", b"");
    }
    let other = fake.image("demo-id", "other", b"");
    let domain = Domain::Id("default".to_owned());
    let credentials = Credentials::Password {
        user: User::Name("alice".to_owned(), domain.clone()),
        password: "secret-of-alice".into(),
        scope: Scope::Project("demo".to_owned(), domain),
    };
    let http = Http::new(http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() }).unwrap();
    for version in ["", "/v2", "/v2/"] {
        let url = format!("{}{version}", fake.url().as_str().trim_end_matches('/')).parse().unwrap();
        let endpoints = [("image".to_owned(), url)].into();
        let settings = Settings { endpoints, ..Settings::default() };
        let session = Session::new(http.clone(), keystone.url(), credentials.clone(), settings).unwrap();
        let glance = Glance::new(session);
        let found = glance.images_named("same").await.unwrap();
        assert_eq!((found.len(), fake.asked().len()), (501, 2), "{version:?}");
        assert!(found.iter().all(|image| image.id != other));
    }
}
