//! The session of the service's own user, as `[keystone]` says.

use stacksnap_api::auth::keystone::{ByKeystone, Settings};
use stacksnap_common::config::{Interface, Keystone};
use stacksnap_openstack::{self as openstack, Cloud, Credentials, Domain, Http, Scope, Session, User, catalogue, http};

use crate::exit::Failure;

/// Reads the password's file or `clouds.yaml`, and the authorities; asks nothing yet.
pub fn session(config: &Keystone) -> Result<Session, Failure> {
    let http =
        http::Settings { connect: config.timeout, answer: config.timeout, tries: 2, ..http::Settings::default() };
    session_by(config, http)
}

/// The same, by connections for calls to other services too.
pub fn session_by(config: &Keystone, http: http::Settings) -> Result<Session, Failure> {
    let wrong = |error: openstack::Error| Failure::usage(format!("keystone: {error}"));
    let cloud = match &config.cloud {
        Some(name) => Cloud::read(&config.clouds_file, name).map_err(wrong)?,
        None => cloud(config)?,
    };
    let http = http::Settings { cafile: cloud.cafile, ..http };
    Session::new(Http::new(http).map_err(wrong)?, cloud.auth_url, cloud.credentials, cloud.settings).map_err(wrong)
}

/// What the table itself says.
fn cloud(config: &Keystone) -> Result<Cloud, Failure> {
    let url = config.auth_url.as_ref().ok_or_else(|| Failure::usage("keystone.auth_url is not set"))?;
    Ok(Cloud {
        // The text itself is in no message: it may hold a password.
        auth_url: url
            .expose()
            .parse()
            .map_err(|error| Failure::usage(format!("keystone.auth_url is no URL: {error}")))?,
        credentials: credentials(config)?,
        settings: openstack::Settings {
            region: config.region.clone(),
            interface: match config.interface {
                Interface::Public => catalogue::Interface::Public,
                Interface::Internal => catalogue::Interface::Internal,
                Interface::Admin => catalogue::Interface::Admin,
            },
            ..openstack::Settings::default()
        },
        cafile: config.cafile.clone(),
    })
}

fn credentials(config: &Keystone) -> Result<Credentials, Failure> {
    if let (Some(id), Some(secret)) = (&config.application_credential_id, &config.application_credential_secret) {
        return Ok(Credentials::ApplicationCredential { id: id.clone(), secret: secret.expose().into() });
    }
    let password = match (&config.password, &config.password_file) {
        (Some(password), _) => password.expose().into(),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("keystone.password_file {} can't be read: {error}", path.display()))
            })?;
            text.lines().next().unwrap_or_default().into()
        }
        (None, None) => return Err(Failure::usage("keystone.password_file is not set")),
    };
    Ok(Credentials::Password {
        user: User::Name(config.username.clone(), Domain::Name(config.user_domain.clone())),
        password,
        scope: Scope::Project(config.project.clone(), Domain::Name(config.project_domain.clone())),
    })
}

/// How the API knows its callers.
pub fn identity(config: &Keystone) -> Result<ByKeystone, Failure> {
    let session = session(config)?;
    let pointed = config.www_authenticate_uri.as_ref().or(config.auth_url.as_ref());
    let settings = Settings {
        www_authenticate_uri: pointed.map_or_else(|| session.auth_url().to_string(), ToString::to_string),
        cache: config.cache,
        cache_refusals: config.cache_refusals,
        service_roles: config.service_roles.clone(),
    };
    Ok(ByKeystone::new(openstack::Keystone::new(session), settings))
}
