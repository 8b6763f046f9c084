//! No authentication: whoever reaches the service may do everything in every project.
//!
//! Only this machine may reach it, and a web page that is open in somebody's browser on this machine is not that
//! person. So a request must name a loopback host (a foreign name that resolves to 127.0.0.1 does not), must not come
//! from another origin, and must not be one that a browser marks as another site's.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;

use super::{Identity, Refusal, Scope, Who};

#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

#[async_trait]
impl Identity for Open {
    fn wanted(&self, request: &Parts) -> Result<(), Refusal> {
        let header = |name| {
            let mut all = request.headers.get_all(name).iter();
            let first = all.next().map(|value| value.to_str().unwrap_or("?"));
            if all.next().is_some() { Some("?") } else { first }
        };
        let host = header(HOST.as_str()).or(request.uri.authority().map(|authority| authority.as_str()));
        if !host.is_some_and(is_loopback) {
            return Err(Refusal::Unwanted(
                "Without authentication only requests to a loopback address are answered; Host names another one.",
            ));
        }
        let own = |origin: &str| origin.strip_prefix("http://").is_some_and(|origin| Some(origin) == host);
        if header(ORIGIN.as_str()).is_some_and(|origin| !own(origin)) {
            return Err(Refusal::Unwanted("Without authentication no request of another Origin is answered."));
        }
        match header("sec-fetch-site") {
            None | Some("none" | "same-origin") => Ok(()),
            Some(_) => Err(Refusal::Unwanted("Without authentication no request of another web site is answered.")),
        }
    }

    async fn identify(&self, _: &Parts) -> Result<Arc<Who>, Refusal> {
        Ok(Arc::new(Who::new("anonymous", Scope::Any, ["admin", "member", "reader"])))
    }

    fn challenge(&self) -> &str {
        "None"
    }
}

/// `localhost`, `127.x.y.z` or `[::1]`, with a port or without.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((name, "")) => name,
            Some((name, port)) if is_port(port) => name,
            _ => return false,
        },
        None => match host.split_once(':') {
            None => host,
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            Some(_) => return false,
        },
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wanted(headers: &[(&str, &str)]) -> bool {
        let mut request = axum::http::Request::builder().uri("/v1/p/stacks");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Open.wanted(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn only_this_machine_and_no_foreign_page() {
        for host in ["localhost", "LOCALHOST:8004", "127.0.0.1:8004", "127.1.2.3", "[::1]:8004", "[::1]"] {
            assert!(wanted(&[("host", host)]), "{host}");
        }
        let foreign =
            ["", "evil.example:8004", "10.0.0.1", "localhost.evil.example", "127.0.0.1@evil.example", "[::1]x"];
        for host in foreign {
            assert!(!wanted(&[("host", host)]), "{host}");
        }
        assert!(!wanted(&[]));
        let host = ("host", "127.0.0.1:8004");
        assert!(!wanted(&[host, ("host", "evil.example")]));
        assert!(wanted(&[host, ("origin", "http://127.0.0.1:8004")]));
        for origin in ["null", "http://evil.example", "http://localhost:3000", "https://127.0.0.1:8004"] {
            assert!(!wanted(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(wanted(&[host, ("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site"] {
            assert!(!wanted(&[host, ("sec-fetch-site", site)]), "{site}");
        }
    }
}
