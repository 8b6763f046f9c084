//! In whose name the workers of this process act towards the cloud.

use stacksnap_common::config::{Auth, Config};
use stacksnap_openstack::{Cloud, Http, Session, http};
use stacksnap_worker::cloud::{Clouds, Operator};

use super::keystone;
use crate::exit::Failure;

/// Reads `clouds.yaml` and what it names; asks nothing yet.
pub fn clouds(config: &Config) -> Result<Clouds, Failure> {
    let service = match config.auth {
        Auth::Keystone => Some(keystone::session(&config.keystone)?),
        Auth::None | Auth::Tokens(_) => None,
    };
    Ok(Clouds::new(service, operator(config)?))
}

fn operator(config: &Config) -> Result<Option<Operator>, Failure> {
    let openstack = &config.openstack;
    let Some(name) = openstack.cloud.as_ref().filter(|_| openstack.enabled) else { return Ok(None) };
    let wrong = |error: stacksnap_openstack::Error| Failure::usage(format!("openstack.cloud: {error}"));
    let cloud = Cloud::read(&openstack.clouds_file, name).map_err(wrong)?;
    let http = http::Settings {
        answer: openstack.timeout,
        at_once: openstack.at_once as usize,
        cafile: cloud.cafile,
        ..http::Settings::default()
    };
    let http = Http::new(http).map_err(wrong)?;
    let session = Session::new(http, cloud.auth_url, cloud.credentials, cloud.settings).map_err(wrong)?;
    Ok(Some(Operator { session, projects: openstack.projects.clone() }))
}
