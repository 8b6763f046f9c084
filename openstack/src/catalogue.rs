//! Where the services are: the catalogue that comes with a token.
//!
//! A service is asked for by its official type; clouds list it under older names too (`service-types-authority`).

use std::collections::BTreeSet;

use reqwest::Url;
use serde::Deserialize;

use crate::error::Error;

/// Official types with the other names by which catalogues list them, the best first.
const ALIASES: [(&str, &[&str]); 5] = [
    ("block-storage", &["volumev3", "block-store", "volume"]),
    ("shared-file-system", &["sharev2", "share"]),
    ("orchestration", &["cloudformation-orchestration"]),
    ("object-store", &["object-storage"]),
    ("key-manager", &["keymanager"]),
];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interface {
    #[default]
    Public,
    Internal,
    Admin,
}

impl Interface {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Interface {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // With `URL` at its end it is the way of the second Keystone API, which configurations still have.
        match text.strip_suffix("URL").unwrap_or(text) {
            "public" => Ok(Self::Public),
            "internal" => Ok(Self::Internal),
            "admin" => Ok(Self::Admin),
            _ => Err("is not public, internal or admin"),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Catalogue(Vec<Service>);

#[derive(Debug, Clone, Deserialize)]
struct Service {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    interface: String,
    region_id: Option<String>,
    url: String,
}

impl Catalogue {
    /// Where there is one, each once.
    pub fn regions(&self, service: &str, interface: Interface) -> Vec<String> {
        let endpoints = self.entries(service).flat_map(|entry| &entry.endpoints);
        let of_interface = endpoints.filter(|endpoint| endpoint.interface == interface.as_str());
        let regions: BTreeSet<_> = of_interface.filter_map(|endpoint| endpoint.region_id.clone()).collect();
        regions.into_iter().collect()
    }

    /// What lists the service by any of its names, the best first.
    fn entries(&self, service: &str) -> impl Iterator<Item = &Service> {
        let aliases = ALIASES.iter().find(|(official, _)| *official == service).map_or(&[][..], |(_, names)| names);
        let names = std::iter::once(service.to_owned()).chain(aliases.iter().map(|name| (*name).to_owned()));
        names.flat_map(|name| self.0.iter().filter(move |entry| entry.kind == name))
    }

    /// The URL of a service. `region`: `None` for whichever comes first.
    pub fn endpoint(&self, service: &str, region: Option<&str>, interface: Interface) -> Result<Url, Error> {
        let found = self.entries(service).find_map(|entry| {
            entry.endpoints.iter().find(|endpoint| {
                endpoint.interface == interface.as_str()
                    && region.is_none_or(|region| endpoint.region_id.as_deref() == Some(region))
            })
        });
        let Some(endpoint) = found else {
            let known: Vec<_> = self.0.iter().map(|entry| entry.kind.as_str()).collect();
            return Err(Error::NoEndpoint {
                service: service.to_owned(),
                interface: interface.as_str(),
                region: region.unwrap_or("(any)").to_owned(),
                known: if known.is_empty() { "nothing".to_owned() } else { known.join(", ") },
            });
        };
        endpoint.url.parse().map_err(|error| {
            Error::Settings(format!("the service catalogue's URL of {service}, {:?}: {error}", endpoint.url))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn catalogue() -> Catalogue {
        let endpoint = |interface: &str, region: &str, url: &str| json!({"id": "e", "interface": interface, "region": region, "region_id": region, "url": url});
        serde_json::from_value(json!([
            {"id": "1", "name": "cinder", "type": "volume", "endpoints": [endpoint("public", "one", "http://old/v1")]},
            {"id": "2", "name": "cinderv3", "type": "volumev3", "endpoints": [
                endpoint("internal", "one", "http://in/v3/p"), endpoint("public", "one", "http://pub/v3/p"),
                endpoint("public", "two", "http://two/v3/p"),
            ]},
            {"id": "3", "name": "empty", "type": "compute", "endpoints": []},
            {"id": "4", "name": "odd", "type": "image", "endpoints": [endpoint("public", "one", "not a url")]},
        ]))
        .unwrap()
    }

    #[test]
    fn a_service_is_found_by_type_region_and_interface() {
        let found = |service, region, interface| catalogue().endpoint(service, region, interface).map(String::from);
        let public = Interface::Public;
        assert_eq!(found("block-storage", None, public).unwrap(), "http://pub/v3/p");
        assert_eq!(found("block-storage", Some("two"), public).unwrap(), "http://two/v3/p");
        assert_eq!(found("volumev3", None, Interface::Internal).unwrap(), "http://in/v3/p");
        let missing = found("compute", Some("one"), public).unwrap_err().to_string();
        assert!(
            missing.contains("no compute with interface public in region one; it has: volume, volumev3"),
            "{missing}"
        );
        assert!(found("block-storage", Some("three"), public).is_err());
        assert_eq!(catalogue().regions("block-storage", public), ["one", "two"]);
        assert!(found("image", None, public).unwrap_err().to_string().contains("not a url"));
    }

    #[test]
    fn an_interface_has_two_spellings() {
        assert_eq!("internalURL".parse(), Ok(Interface::Internal));
        assert_eq!("admin".parse(), Ok(Interface::Admin));
        assert!("private".parse::<Interface>().is_err());
    }
}
