//! Keystone and two Heats, as `tests/openstack/up` starts them and `down` ends them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;

/// From the project's root, where `bench/run` starts everything.
const SCRIPTS: &str = "tests/openstack";

pub struct Cloud {
    state: PathBuf,
    /// Up to `/v3`.
    pub keystone: String,
    /// Up to the project.
    pub heat19: String,
    pub heat27: String,
    pub secret: String,
}

impl Cloud {
    /// Minutes on a machine that has nothing of it yet. As root.
    pub fn start(state: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(state.join("run"))?;
        let mut cloud = Self {
            state: state.to_owned(),
            keystone: String::new(),
            heat19: String::new(),
            heat27: String::new(),
            secret: String::new(),
        };
        let up = Command::new(Path::new(SCRIPTS).join("up")).arg(state).args(["heat19", "heat27"]).status()?;
        ensure!(up.success(), "{SCRIPTS}/up ended with {up}");
        let known = std::fs::read_to_string(state.join("env"))?;
        let value = |name: &str| {
            let line = known.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.map(|line| line.replace('\\', "")).with_context(|| format!("{name} is not in {}/env", state.display()))
        };
        cloud.keystone = value("KEYSTONE")?;
        cloud.heat19 = value("HEAT19")?;
        cloud.heat27 = value("HEAT27")?;
        cloud.secret = value("SECRET")?;
        Ok(cloud)
    }

    /// The user demo's, for the project demo: the token and the project's id.
    pub async fn token(&self) -> anyhow::Result<(String, String)> {
        let domain = json!({ "id": "default" });
        let user = json!({ "name": "demo", "domain": domain, "password": self.secret });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": "demo", "domain": domain } },
        }});
        let http = reqwest::Client::builder().build()?;
        let answer =
            http.post(format!("{}/auth/tokens", self.keystone)).json(&body).send().await?.error_for_status()?;
        let token = answer.headers().get("x-subject-token").context("no token")?.to_str()?.to_owned();
        let shown: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
        let project = shown["token"]["project"]["id"].as_str().context("a token without a project")?;
        Ok((token, project.to_owned()))
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let down = Command::new(Path::new(SCRIPTS).join("down")).arg(&self.state).status();
        if !down.is_ok_and(|status| status.success()) {
            eprintln!("bench: {SCRIPTS}/down {} did not end well", self.state.display());
        }
    }
}
