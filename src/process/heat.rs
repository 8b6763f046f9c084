//! The real Heat that this process stands in front of, where the configuration names one.

use stacksnap_api::heat::grant::Grants;
use stacksnap_common::config::{ActAs, Config};
use stacksnap_openstack::{Http, Url, http};

use crate::exit::Failure;

/// Where Heat is, and the connections to it. `None`: stacks are held here.
pub fn place(config: &Config) -> Result<Option<(Http, Url)>, Failure> {
    let Some(address) = &config.heat.url else { return Ok(None) };
    let url = address.expose().parse().map_err(|error| Failure::usage(format!("heat.url: {error}")))?;
    let settings = http::Settings {
        answer: config.heat.timeout,
        at_once: config.heat.at_once as usize,
        tries: 2,
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
        ActAs::Operator | ActAs::Trust => {
            return Err(Failure::usage("heat.act_as needs auth = \"keystone\""));
        }
    };
    let at_once = config.heat.at_once as usize;
    Ok(Some(stacksnap_api::heat::Heat::new(http, url, config.heat.timeout, at_once, grants)))
}

/// For a worker.
pub fn back(config: &Config) -> Result<Option<stacksnap_worker::heat::Heat>, Failure> {
    Ok(place(config)?.map(|(http, url)| stacksnap_worker::heat::Heat::new(http, url)))
}
