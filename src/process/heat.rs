//! The real Heat that this process stands in front of, where the configuration names one.

use stacksnap_api::heat::grant::{Grants, Trusts};
use stacksnap_common::config::{ActAs, Config};
use stacksnap_openstack::{Http, Url, http};

use super::keystone;
use crate::exit::Failure;

/// Where Heat is, and the connections to it. `None`: stacks are held here.
pub fn place(config: &Config) -> Result<Option<(Http, Url)>, Failure> {
    let Some(address) = &config.heat.url else { return Ok(None) };
    let url = address.expose().parse().map_err(|error| Failure::usage(format!("heat.url: {error}")))?;
    let settings = http::Settings {
        answer: config.heat.timeout,
        at_once: config.heat.at_once as usize,
        tries: 2,
        cafile: config.keystone.cafile.clone(),
        ..http::Settings::default()
    };
    let http = Http::new(settings).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Some((http, url)))
}

/// For the API.
pub fn front(config: &Config) -> Result<Option<stacksnap_api::heat::Heat>, Failure> {
    let Some((http, url)) = place(config)? else { return Ok(None) };
    let grants = match config.heat.act_as {
        ActAs::Token => Grants::Token,
        ActAs::Operator => Grants::Operator,
        ActAs::Trust => Grants::Trust(Trusts {
            service: keystone::session(&config.keystone)?,
            roles: config.heat.trust_roles.clone(),
            lasts: config.heat.trust_lasts,
        }),
    };
    let at_once = config.heat.at_once as usize;
    Ok(Some(stacksnap_api::heat::Heat::new(http, url, config.heat.timeout, at_once, grants)))
}

/// For a worker.
pub fn back(config: &Config) -> Result<Option<stacksnap_worker::heat::Heat>, Failure> {
    let Some((http, url)) = place(config)? else { return Ok(None) };
    Ok(Some(stacksnap_worker::heat::Heat::new(http, url)))
}
