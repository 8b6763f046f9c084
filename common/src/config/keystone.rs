//! `[keystone]`: how tokens are validated where `auth` is `"keystone"`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::value::{self, Address, Secret};

/// Which of a service's endpoints is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    Public,
    #[default]
    Internal,
    Admin,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keystone {
    /// Keystone's root, with `/v3` or without.
    #[serde(deserialize_with = "value::optional")]
    pub auth_url: Option<Address>,
    /// What a caller without a token is pointed to. Not set: `auth_url`.
    #[serde(deserialize_with = "value::optional")]
    pub www_authenticate_uri: Option<Address>,
    /// The service user: needs the role `service` or `admin` to validate tokens.
    pub username: String,
    #[serde(deserialize_with = "value::optional")]
    pub password: Option<Secret>,
    /// Its first line.
    #[serde(deserialize_with = "value::optional")]
    pub password_file: Option<PathBuf>,
    /// Name of the user's domain.
    pub user_domain: String,
    /// The project in which the service user acts.
    pub project: String,
    pub project_domain: String,
    /// In place of user and password.
    #[serde(deserialize_with = "value::optional")]
    pub application_credential_id: Option<String>,
    #[serde(deserialize_with = "value::optional")]
    pub application_credential_secret: Option<Secret>,
    /// In place of all of the above: a cloud's name in `clouds_file`.
    #[serde(deserialize_with = "value::optional")]
    pub cloud: Option<String>,
    /// As OpenStack's own clients have it; with `secure.yaml` beside it.
    pub clouds_file: PathBuf,
    /// Not set: whichever the catalogue lists first.
    #[serde(deserialize_with = "value::optional")]
    pub region: Option<String>,
    pub interface: Interface,
    /// PEM file of authorities that are trusted beside the system's.
    #[serde(deserialize_with = "value::optional")]
    pub cafile: Option<PathBuf>,
    /// A valid token is not asked about again for this, nor beyond its own end.
    #[serde(deserialize_with = "value::duration")]
    pub cache: Duration,
    /// A token that was not valid is not asked about again for this.
    #[serde(deserialize_with = "value::duration")]
    pub cache_refusals: Duration,
    /// Keystone's answer is waited for so long, and then once more.
    #[serde(deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// Whose `X-Service-Token` lets a request go on whose own token has ended meanwhile.
    pub service_roles: Vec<String>,
}

impl Default for Keystone {
    fn default() -> Self {
        Self {
            auth_url: None,
            www_authenticate_uri: None,
            username: "stacksnap".to_owned(),
            password: None,
            password_file: None,
            user_domain: "Default".to_owned(),
            project: "service".to_owned(),
            project_domain: "Default".to_owned(),
            application_credential_id: None,
            application_credential_secret: None,
            cloud: None,
            clouds_file: PathBuf::from("/etc/openstack/clouds.yaml"),
            region: None,
            interface: Interface::default(),
            cafile: None,
            cache: Duration::from_secs(300),
            cache_refusals: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            service_roles: vec!["service".to_owned()],
        }
    }
}

impl Keystone {
    /// What is wrong with the table. `used`: whether `auth` says so.
    pub(super) fn problems(&self, used: bool) -> Vec<String> {
        let mut found = Vec::new();
        let mut demand = |holds: bool, message: &str| {
            if !holds {
                found.push(message.to_owned());
            }
        };
        let http = |url: &Option<Address>| {
            url.as_ref().is_none_or(|url| url.expose().starts_with("http://") || url.expose().starts_with("https://"))
        };
        demand(http(&self.auth_url), "keystone.auth_url is not an http:// or https:// URL");
        demand(http(&self.www_authenticate_uri), "keystone.www_authenticate_uri is not an http:// or https:// URL");
        let application = self.application_credential_id.is_some();
        demand(
            application == self.application_credential_secret.is_some(),
            "keystone.application_credential_id and keystone.application_credential_secret go together; set both or none",
        );
        let password = self.password.is_some() || self.password_file.is_some();
        demand(
            self.password.is_none() || self.password_file.is_none(),
            "keystone.password and keystone.password_file are both set; keep one",
        );
        demand(!(application && password), "keystone has a password and an application credential; keep one");
        demand(
            self.cloud.is_none() || !(application || password || self.auth_url.is_some()),
            "keystone.cloud is set, and auth_url or a password beside it; keep one of the two",
        );
        demand(
            self.cache <= Duration::from_secs(300),
            "keystone.cache is longer than 5min; a revoked token would stay good",
        );
        demand(
            (Duration::from_secs(1)..=Duration::from_secs(60)).contains(&self.cache_refusals),
            "keystone.cache_refusals is not 1s to 60s",
        );
        demand(
            (Duration::from_millis(100)..=Duration::from_secs(60)).contains(&self.timeout),
            "keystone.timeout is not 100ms to 60s",
        );
        if used && self.cloud.is_none() {
            demand(self.auth_url.is_some(), "keystone.auth_url is not set; auth = \"keystone\" needs it");
            demand(
                application || password,
                "keystone.password_file is not set; the service user needs a password or an application credential",
            );
            demand(
                application || !(self.username.is_empty() || self.project.is_empty()),
                "keystone.username or keystone.project is empty; name the service user and its project",
            );
        }
        found
    }
}
