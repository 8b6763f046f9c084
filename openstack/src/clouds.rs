//! `clouds.yaml`: one cloud of many, as OpenStack's own clients read it (openstacksdk, "Configuration").
//!
//! A file `secure.yaml` beside it is put on top, for those who keep passwords apart. Read are the keys that say who one
//! is and where the cloud is; others (a vendor's `profile` among them) are for other programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;

use crate::credentials::{Credentials, Domain, Scope, User};
use crate::error::Error;
use crate::session::Settings;

/// What a session needs.
#[derive(Debug)]
pub struct Cloud {
    pub auth_url: Url,
    pub credentials: Credentials,
    pub settings: Settings,
    pub cafile: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
struct File {
    #[serde(default)]
    clouds: BTreeMap<String, Entry>,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: BTreeMap<String, Scalar>,
    region_name: Option<String>,
    interface: Option<String>,
    cacert: Option<PathBuf>,
    verify: Option<bool>,
}

/// YAML takes an all-digit password for a number. No `Debug`: it may be one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(i64),
    Other(serde::de::IgnoredAny),
}

impl Cloud {
    /// Blocks for as long as reading takes. No value of a file is in an error.
    pub fn read(path: &Path, name: &str) -> Result<Self, Error> {
        let mut file = parse(path)?;
        let wrong = |what: &str| Error::Settings(format!("{}: cloud {name}: {what}", path.display()));
        let known = file.clouds.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut entry = file.clouds.remove(name).ok_or_else(|| wrong(&format!("is not there; {known} are")))?;
        let secure = path.with_file_name("secure.yaml");
        if secure.exists() {
            entry.auth.extend(parse(&secure)?.clouds.remove(name).unwrap_or_default().auth);
        }
        if entry.verify == Some(false) {
            return Err(wrong("verify: false is not supported; name the authority by cacert"));
        }
        let interface = entry.interface.as_deref().map(str::parse).transpose();
        let auth = Auth(&entry.auth);
        let url = auth.get("auth_url").ok_or_else(|| wrong("auth.auth_url is missing"))?;
        Ok(Self {
            auth_url: url.parse().map_err(|error| wrong(&format!("auth.auth_url is no URL: {error}")))?,
            credentials: auth.credentials().map_err(|what| wrong(&what))?,
            settings: Settings {
                region: entry.region_name.clone(),
                interface: interface.map_err(|what| wrong(&format!("interface {what}")))?.unwrap_or_default(),
                endpoints: BTreeMap::new(),
            },
            cafile: entry.cacert.clone(),
        })
    }
}

fn parse(path: &Path) -> Result<File, Error> {
    let wrong = |why: String| Error::Settings(format!("{} can't be read: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    // The parser's own words may quote the file.
    serde_saphyr::from_str(&text).map_err(|_| wrong("it is not clouds.yaml's shape".to_owned()))
}

struct Auth<'a>(&'a BTreeMap<String, Scalar>);

impl Auth<'_> {
    fn get(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Scalar::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Scalar::Number(number) => Some(number.to_string()),
            Scalar::Other(_) => None,
        }
    }

    fn need(&self, key: &str) -> Result<String, String> {
        self.get(key).ok_or_else(|| format!("auth.{key} is missing"))
    }

    /// `user_domain_id`, `user_domain_name`, or the default domain, as the clients take it.
    fn domain(&self, of: &str) -> Domain {
        let id = self.get(&format!("{of}_domain_id")).map(Domain::Id);
        let name = self.get(&format!("{of}_domain_name")).map(Domain::Name);
        id.or(name).unwrap_or_else(|| Domain::Id("default".to_owned()))
    }

    fn user(&self) -> Result<User, String> {
        match self.get("user_id") {
            Some(id) => Ok(User::Id(id)),
            None => Ok(User::Name(self.need("username")?, self.domain("user"))),
        }
    }

    fn scope(&self) -> Scope {
        if let Some(id) = self.get("trust_id") {
            return Scope::Trust(id);
        }
        if let Some(id) = self.get("project_id").or(self.get("tenant_id")) {
            return Scope::ProjectId(id);
        }
        if let Some(name) = self.get("project_name").or(self.get("tenant_name")) {
            return Scope::Project(name, self.domain("project"));
        }
        match self.get("system_scope") {
            Some(_) => Scope::System,
            None => Scope::Unsaid,
        }
    }

    fn credentials(&self) -> Result<Credentials, String> {
        if let Some(id) = self.get("application_credential_id") {
            let secret = self.need("application_credential_secret")?.into();
            return Ok(Credentials::ApplicationCredential { id, secret });
        }
        if let Some(name) = self.get("application_credential_name") {
            let secret = self.need("application_credential_secret")?.into();
            return Ok(Credentials::NamedApplicationCredential { name, owner: self.user()?, secret });
        }
        if let Some(token) = self.get("token") {
            return Ok(Credentials::Token { token: token.into(), scope: self.scope() });
        }
        Ok(Credentials::Password { user: self.user()?, password: self.need("password")?.into(), scope: self.scope() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::catalogue::Interface;

    const FILE: &str = "
clouds:
  plain:
    auth:
      auth_url: https://k.example.org:5000/v3
      username: alice
      password: 123456
      project_name: demo
      user_domain_name: Staff
    region_name: one
    interface: internal
    cacert: /etc/ca.pem
    identity_api_version: 3
  credential:
    auth_type: v3applicationcredential
    auth: {auth_url: 'http://k/', application_credential_id: id, application_credential_secret: quiet}
  apart:
    auth: {auth_url: 'http://k/', username: alice, project_id: p}
  open:
    auth: {auth_url: 'http://k/', username: alice, password: quiet}
    verify: false
  nowhere:
    auth: {username: alice, password: quiet}
";

    fn read(name: &str) -> Result<Cloud, Error> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("clouds.yaml"), FILE).unwrap();
        let secure = "clouds: {apart: {auth: {password: quiet}}}";
        std::fs::write(dir.path().join("secure.yaml"), secure).unwrap();
        Cloud::read(&dir.path().join("clouds.yaml"), name)
    }

    #[test]
    fn a_cloud_is_found_by_its_name() {
        let plain = read("plain").unwrap();
        assert_eq!(plain.auth_url.as_str(), "https://k.example.org:5000/v3");
        assert_eq!((plain.settings.region.as_deref(), plain.settings.interface), (Some("one"), Interface::Internal));
        assert_eq!(plain.cafile.as_deref(), Some(Path::new("/etc/ca.pem")));
        let body = plain.credentials.body().unwrap().to_string();
        assert!(body.contains("\"password\":\"123456\"") && body.contains("{\"name\":\"Staff\"}"), "{body}");
        assert!(body.contains("{\"project\":{\"name\":\"demo\",\"domain\":{\"id\":\"default\"}}}"), "{body}");
        assert!(matches!(read("credential").unwrap().credentials, Credentials::ApplicationCredential { .. }));
        assert!(read("apart").unwrap().credentials.body().unwrap().to_string().contains("quiet"));
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_shown() {
        for (name, expected) in [
            ("other", "is not there; apart, credential, nowhere, open, plain are"),
            ("open", "verify: false is not supported"),
            ("nowhere", "auth.auth_url is missing"),
        ] {
            let found = read(name).unwrap_err().to_string();
            assert!(found.contains(expected) && !found.contains("quiet"), "{name}: {found}");
        }
        assert!(!format!("{:?}", read("apart").unwrap()).contains("quiet"));
    }
}
