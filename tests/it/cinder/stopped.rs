//! Servers that are stopped while they and their volumes are cut, and on again whatever becomes of the snapshot.

use reqwest::Method;
use serde_json::{Value, json};
use stacksnap_openstack::fake::cinder::Ends;

use super::Cloud;
use crate::support::app::App;

struct Site {
    cloud: Cloud,
    app: App,
    server: String,
    volume: String,
    stack: String,
}

impl Site {
    /// `nova`: of the configuration.
    async fn start(nova: &str) -> Self {
        let cloud = Cloud::start().await;
        let (server, volume) = (cloud.nova.server("demo-id", b"disk"), cloud.volume("data"));
        cloud.nova.attach(&server, &volume, "/dev/vdb");
        let app = App::embedded_with(&format!("{}[nova]\n{nova}\n", cloud.config(""))).await;
        let resources = json!({
            "web": {"type": "OS::Nova::Server", "external_id": server},
            "data": {"type": "OS::Cinder::Volume", "external_id": volume},
        });
        let stack = app.stack_of("s", resources).await;
        Self { cloud, app, server, volume, stack }
    }

    /// A snapshot that has begun; its path, and its operation.
    async fn begin(&self, body: Value) -> (String, String) {
        let (made, operation) = self.app.change(Method::POST, &format!("{}/snapshots", self.stack), Some(body)).await;
        (format!("{}/snapshots/{}", self.stack, made["id"].as_str().unwrap()), operation)
    }

    fn power(&self) -> String {
        self.cloud.nova.look(&self.server, |server| server.vm_state.clone()).unwrap()
    }

    /// On, and nothing says that it ever was off.
    fn is_on(&self) {
        let marked = self.cloud.nova.look(&self.server, |server| !server.metadata.is_empty());
        assert_eq!((self.power().as_str(), marked), ("active", Some(false)), "{}", self.app.log());
    }

    /// Until the volume is being cut.
    async fn until_cut(&self) {
        let cut = || self.cloud.cinder.snapshots().iter().any(|it| it.status == "creating");
        self.app.until("the volume is cut", async |_| cut()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_a_server_is_off_starts_it_again() {
    let mut site = Site::start("").await;
    site.cloud.cinder.hold();
    let (snapshot, operation) = site.begin(json!({"servers": "stop"})).await;
    site.until_cut().await;
    assert_eq!(site.power(), "stopped", "its volume is cut while it is off");
    site.app.api.kill();
    site.app.start_again().await;
    site.cloud.cinder.release();
    site.app.completes(&operation).await;
    site.is_on();

    let shown = site.app.get(&snapshot).await["snapshot"].clone();
    let of = |resource: &str| shown["data"]["resources"][resource]["artifact"].clone();
    assert_eq!((&shown["status"], &shown["protected"]), (&json!("COMPLETE"), &json!(2)), "{shown}");
    assert_eq!((&of("web")["stopped"], &of("data")["stopped"]), (&json!(true), &json!([site.server])), "{shown}");
    assert!(shown["frozen_ms"].as_u64().unwrap() > 0, "{shown}");
    assert_eq!((site.cloud.cinder.snapshots().len(), site.cloud.cinder.backups().len()), (0, 1));

    site.cloud.nova.write(&site.server, b"damage");
    site.cloud.cinder.write(&site.volume, b"damage");
    site.app.restore(&site.stack, snapshot.rsplit('/').next().unwrap()).await;
    assert_eq!(site.cloud.nova.content(&site.server).unwrap(), b"disk");
    assert_eq!(site.cloud.content(&site.volume), "data");
    site.is_on();
}

/// As the configuration says; a request says otherwise for itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_on_again_after_a_snapshot_that_failed_or_was_cancelled() {
    let site = Site::start("servers = \"stop\"").await;
    site.cloud.cinder.hold();
    let (_, operation) = site.begin(json!({"volumes": "snapshot"})).await;
    site.until_cut().await;
    assert_eq!(site.power(), "stopped");
    let path = format!("/operations/{operation}/cancel");
    site.app.change(Method::POST, &path, None).await;
    site.cloud.cinder.release();
    let ended = site.app.ended(&operation).await;
    assert_eq!(ended["state"], "cancelled", "{ended:#}");
    site.is_on();

    site.cloud.cinder.always(Ends::SnapshotInError, true);
    let (_, operation) = site.begin(json!({})).await;
    let ended = site.app.ended(&operation).await;
    assert_eq!(ended["state"], "failed", "{ended:#}");
    site.is_on();
    site.cloud.cinder.always(Ends::SnapshotInError, false);
    let left = site.cloud.glance.images().into_iter().filter(|image| image.name.starts_with("stacksnap-")).count();
    assert_eq!((left, site.cloud.cinder.snapshots().len()), (0, 0));

    site.cloud.nova.asked();
    let (snapshot, operation) = site.begin(json!({"servers": "run"})).await;
    site.app.completes(&operation).await;
    let shown = site.app.get(&snapshot).await["snapshot"].clone();
    assert!(shown["frozen_ms"].is_null() && shown["data"]["resources"]["web"]["artifact"]["stopped"].is_null());
    assert!(!site.cloud.nova.asked().iter().any(|asked| asked.path.contains("/metadata")), "it was never stopped");
    site.is_on();
}
