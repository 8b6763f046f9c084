//! The laws of every driver, kept on a real Nova and Glance. The computer only pretends, but each server has a disk of real
//! bytes (`tests/openstack/nova.sh`).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use stacksnap_common::types::ServerMode;
use stacksnap_openstack::{Glance, Method, Nova};

use super::contract::{Cloud, InNova};
use crate::drivers::contract::driver_contract;
use crate::drivers::nova::Settings;
use crate::drivers::openstack::lab::Caller;
use crate::drivers::openstack::real::{self, Real, Wait};

mod runs {
    use super::*;
    driver_contract!(@real subject(ServerMode::Run));
}

mod stopped {
    use super::*;
    driver_contract!(@real subject(ServerMode::Stop));
}

async fn subject(servers: ServerMode) -> InNova<Real> {
    let cloud = Real::from_env().await;
    let flavors = cloud.ask(Method::GET, ("compute", &["flavors"]), None).await;
    let tiny = &Glance::new(cloud.session.clone()).images_named("tiny").await.unwrap()[0];
    let new = json!({"server": {"name": "web", "flavorRef": flavors["flavors"][0]["id"], "imageRef": tiny.id,
        "networks": "none", "metadata": {"role": "web"}, "user_data": "I2Nsb3Vk"}});
    let made = cloud.ask(Method::POST, ("compute", &["servers"]), Some(&new)).await;
    let server = made["server"]["id"].as_str().unwrap().to_owned();
    let (nova, wait) = (Nova::new(cloud.session.clone()), Wait::until("the server is on"));
    while nova.server(&server).await.unwrap().status != "ACTIVE" {
        wait.pause().await;
    }
    cloud.write(&server, b"what was on the disk at first");
    let settings = Settings { patience: real::patience("nova.longest_wait") };
    InNova::new(server, settings, servers, cloud).await
}

fn disk(cloud: &Real, server: &str) -> PathBuf {
    cloud.file("nova/disks").join(server)
}

#[async_trait]
impl Cloud for Real {
    fn caller(&self) -> &Caller {
        self
    }

    fn soon(&self) -> Duration {
        real::SOON
    }

    fn disk(&self, server: &str) -> Vec<u8> {
        fs::read(disk(self, server)).unwrap()
    }

    fn write(&self, server: &str, content: &[u8]) {
        fs::write(disk(self, server), content).unwrap();
    }

    async fn lose(&self, server: &str) {
        self.ask(Method::DELETE, ("compute", &["servers", server]), None).await;
        let (nova, wait) = (Nova::new(self.session.clone()), Wait::until("the server is gone"));
        while !nova.server(server).await.is_err_and(|error| error.is_gone()) {
            wait.pause().await;
        }
    }

    fn break_reads(&self, server: &str, broken: bool) {
        let (here, away) = (disk(self, server), disk(self, &format!("{server}.away")));
        if broken { fs::rename(here, away) } else { fs::rename(away, here) }.unwrap();
    }

    /// Glance reads an image only to send it: what it tells of one is what an administrator says of it.
    async fn damage(&self, image: &str) {
        self.as_admin(("image", &["v2", "images", image, "actions", "deactivate"]), None).await;
    }
}
