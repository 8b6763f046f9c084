//! A server with a volume in use, an image that it is made from, and a server that boots from a volume.

use reqwest::Method;
use serde_json::{Value, json};

use super::Cloud;
use crate::support::app::App;

struct Site {
    cloud: Cloud,
    app: App,
    server: String,
    volume: String,
    image: String,
}

impl Site {
    async fn start() -> Self {
        let cloud = Cloud::start().await;
        let (server, volume) = (cloud.nova.server("demo-id", b"disk"), cloud.volume("data"));
        cloud.nova.attach(&server, &volume, "/dev/vdb");
        let image = cloud.glance.image("demo-id", "base", b"base");
        let app = App::embedded_with(&cloud.config("")).await;
        Self { cloud, app, server, volume, image }
    }

    fn resources(&self) -> Value {
        json!({
            "web": {"type": "OS::Nova::Server", "external_id": self.server},
            "data": {"type": "OS::Cinder::Volume", "external_id": self.volume},
            "base": {"type": "OS::Glance::WebImage", "external_id": self.image},
        })
    }

    fn damage(&self) {
        self.cloud.nova.write(&self.server, b"damage");
        self.cloud.cinder.write(&self.volume, b"damage");
    }

    fn is_as_it_was(&self) {
        let nova = &self.cloud.nova;
        assert_eq!(
            (nova.content(&self.server).unwrap(), self.cloud.content(&self.volume)),
            (b"disk".to_vec(), "data".to_owned())
        );
        let attached = nova.attached(&self.server);
        assert_eq!((attached.len(), attached[0].device.as_str()), (1, "/dev/vdb"));
    }

    /// Images of ours.
    fn images(&self) -> usize {
        self.cloud.glance.images().iter().filter(|image| image.name.starts_with("stacksnap-")).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_its_volume_are_brought_back_together_and_nothing_is_left() {
    let site = Site::start().await;
    let app = &site.app;
    let stack = app.stack_of("s", site.resources()).await;
    let snapshot = app.snapshot(&stack, "good").await;
    let shown = app.get(&format!("{stack}/snapshots/{snapshot}")).await["snapshot"].clone();
    assert_eq!((&shown["status"], &shown["protected"]), (&json!("COMPLETE"), &json!(3)), "{shown}");
    assert_eq!(shown["data"]["resources"]["base"]["artifact"]["captures"], "reference", "{shown}");
    assert_eq!(site.images(), 1);
    // Twice: a second restore restores again. Whichever of the two comes first, the other waits for it.
    for _ in 0..2 {
        site.damage();
        app.restore(&stack, &snapshot).await;
        site.is_as_it_was();
    }
    let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
    app.completes(&deleted).await;
    assert_eq!((site.images(), site.cloud.cinder.backups().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_a_volume_is_away_from_its_server_brings_it_back() {
    let mut site = Site::start().await;
    let stack = site.app.stack_of("s", site.resources()).await;
    let snapshot = site.app.snapshot(&stack, "good").await;
    site.damage();
    let path = format!("{stack}/snapshots/{snapshot}/restore");
    let (_, operation) = site.app.change(Method::POST, &path, Some(json!({}))).await;
    let cinder = &site.cloud.cinder;
    let away = || cinder.look(&site.volume, |volume| volume.attached.is_empty()) == Some(true);
    site.app.until("the volume is away", async |_| away()).await;
    site.app.api.kill();
    site.app.start_again().await;
    site.app.completes(&operation).await;
    site.is_as_it_was();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_boots_from_a_volume_is_not_said_to_be_protected() {
    let cloud = Cloud::start().await;
    let root = cloud.volume("root");
    let server = cloud.nova.server_from("demo-id", &root);
    let app = App::embedded_with(&cloud.config("")).await;
    let resources = json!({
        "web": {"type": "OS::Nova::Server", "external_id": server},
        "root": {"type": "OS::Cinder::Volume", "external_id": root},
    });
    let stack = app.stack_of("s", resources).await;
    let snapshot = app.snapshot(&stack, "good").await;
    let shown = app.get(&format!("{stack}/snapshots/{snapshot}")).await["snapshot"].clone();
    assert_eq!((&shown["status"], &shown["protected"]), (&json!("COMPLETE"), &json!(1)), "{shown}");
    let reason = shown["status_reason"].as_str().unwrap();
    assert!(reason.contains("1 of 2 resources protected") && reason.contains("boots from a volume"), "{reason}");
    // What it boots from is in use, and says what to do.
    let path = format!("{stack}/snapshots/{snapshot}/restore");
    let (_, operation) = app.change(Method::POST, &path, Some(json!({}))).await;
    let ended = app.ended(&operation).await;
    let why = ended["reason"].as_str().unwrap();
    assert!(why.contains("openstack server stop") && why.contains("openstack volume set --state available"), "{why}");
}
