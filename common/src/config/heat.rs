//! `[heat]`: the real Heat that this service stands in front of, if it does.

use std::time::Duration;

use serde::Deserialize;

use super::value::{self, Address};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heat {
    /// Its endpoint up to and including `/v1`. None: this service holds the stacks itself.
    #[serde(deserialize_with = "value::optional")]
    pub url: Option<Address>,
    pub act_as: ActAs,
    /// Roles that a trust gives, those of them that the caller has.
    pub trust_roles: Vec<String>,
    /// When a trust ends that nobody took back.
    #[serde(deserialize_with = "value::duration")]
    pub trust_lasts: Duration,
    /// For Heat to begin its answer.
    #[serde(deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// Requests to Heat at the same time.
    pub at_once: u32,
}

/// By what a worker acts towards Heat when the caller is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActAs {
    /// A Keystone trust of the caller's to the service's user.
    #[default]
    Trust,
    /// The service's own user.
    Operator,
    /// The caller's token.
    Token,
}

impl Default for Heat {
    fn default() -> Self {
        Self {
            url: None,
            act_as: ActAs::default(),
            trust_roles: vec!["member".to_owned()],
            trust_lasts: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(60),
            at_once: 64,
        }
    }
}

impl Heat {
    /// What contradicts itself.
    pub(super) fn problems(&self, keystone: bool) -> Vec<&'static str> {
        let url = self.url.as_ref().map(Address::expose);
        let scheme = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        let path = |url: &str| url.trim_end_matches('/').ends_with("/v1") && !url.contains(['?', '#', '@', '%']);
        let problems = [
            (url.is_some_and(|url| !scheme(url)), "heat.url is not an http:// or https:// URL"),
            (
                url.is_some_and(|url| !path(url)),
                "heat.url does not end in /v1; give the endpoint without %(project_id)s, as http://heat:8004/v1",
            ),
            (
                url.is_some() && self.act_as != ActAs::Token && !keystone,
                "heat.act_as = \"trust\" and \"operator\" need auth = \"keystone\"; without Keystone it is \"token\"",
            ),
            (self.trust_roles.is_empty(), "heat.trust_roles is empty; a trust without a role lets nobody do anything"),
            (
                self.trust_lasts < Duration::from_secs(3600),
                "heat.trust_lasts is shorter than 1h; a restore may take longer",
            ),
            (
                !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&self.timeout),
                "heat.timeout is not 1s to 5min",
            ),
            (!(1..=10_000).contains(&self.at_once), "heat.at_once is not 1 to 10000"),
        ];
        problems.into_iter().filter(|(wrong, _)| *wrong).map(|(_, text)| text).collect()
    }
}
