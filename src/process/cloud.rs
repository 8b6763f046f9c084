//! In whose name the workers of this process act towards the cloud.

use stacksnap_common::config::{Auth, Config};
use stacksnap_openstack::{Cloud, Http, Session, http};
use stacksnap_worker::cloud::Clouds;

use super::keystone;
use crate::exit::Failure;

/// Reads `clouds.yaml` and what it names; asks nothing yet.
pub fn clouds(config: &Config) -> Result<Clouds, Failure> {
    let service = match config.auth {
        Auth::Keystone => Some(keystone::session_by(&config.keystone, connections(config))?),
        Auth::None | Auth::Tokens(_) => None,
    };
    Ok(Clouds::new(service, operator(config)?, config.openstack.projects.clone()))
}

fn connections(config: &Config) -> http::Settings {
    http::Settings {
        answer: config.openstack.timeout,
        at_once: config.openstack.at_once as usize,
        ..http::Settings::default()
    }
}

/// The operator's session, where there is one.
pub fn operator(config: &Config) -> Result<Option<Session>, Failure> {
    let openstack = &config.openstack;
    let Some(name) = openstack.cloud.as_ref().filter(|_| openstack.enabled) else { return Ok(None) };
    let wrong = |error: stacksnap_openstack::Error| Failure::usage(format!("openstack.cloud: {error}"));
    let cloud = Cloud::read(&openstack.clouds_file, name).map_err(wrong)?;
    let http = Http::new(http::Settings { cafile: cloud.cafile, ..connections(config) }).map_err(wrong)?;
    Session::new(http, cloud.auth_url, cloud.credentials, cloud.settings).map(Some).map_err(wrong)
}
