//! Containers of a cloud, and what is only configuration, end to end: the binary, its embedded default, and a cloud with
//! state.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use stacksnap_openstack::fake;
use tempfile::TempDir;

use crate::support::app::App;

const PROJECT: &str = "demo-id";

struct Cloud {
    _keystone: fake::Keystone,
    swift: fake::Swift,
    neutron: fake::Neutron,
    dir: TempDir,
}

impl Cloud {
    async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        keystone.grant("operator", "demo", &["member"]);
        let swift = fake::Swift::start(&keystone).await;
        let neutron = fake::Neutron::start(&keystone).await;
        swift.put_container(PROJECT, "files", &[("X-Container-Meta-Color", "red")]);
        for number in 0..50 {
            swift.put(PROJECT, "files", &format!("log/{number:02}"), &[number; 1000], &[]);
        }
        let dir = tempfile::tempdir().unwrap();
        let clouds = json!({"clouds": {"test": {"auth": {
            "auth_url": keystone.url().as_str(), "username": "operator", "password": "secret-of-operator", "project_name": "demo"}}}});
        std::fs::write(dir.path().join("clouds.yaml"), clouds.to_string()).unwrap();
        Self { _keystone: keystone, swift, neutron, dir }
    }

    fn config(&self) -> String {
        let file = self.dir.path().join("clouds.yaml");
        format!(
            "[openstack]\nenabled = true\ncloud = \"test\"\nclouds_file = {file:?}\nprojects = [\"default\"]\n\
             [worker]\nlease = \"2s\"\nrenew = \"500ms\"\n"
        )
    }

    fn shown(&self) -> Vec<String> {
        self.swift.shown(PROJECT, "files").unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_and_a_network_come_back() {
    let cloud = Cloud::start().await;
    let net = cloud.neutron.put(PROJECT, "networks", json!({"name": "web", "mtu": 1500}));
    let app = App::embedded_with(&cloud.config()).await;
    let resources = json!({
        "files": {"type": "OS::Swift::Container", "external_id": "files"},
        "net": {"type": "OS::Neutron::Net", "external_id": net},
        // As a template of Heat's has it: there is nothing here that could be read.
        "subnet": {"type": "OS::Neutron::Subnet", "properties": {"network": {"get_resource": "net"}}},
    });
    let stack = app.stack_of("s", resources).await;
    let snapshot = app.snapshot(&stack, "good").await;
    let shown = app.get(&format!("{stack}/snapshots/{snapshot}")).await["snapshot"].clone();
    assert_eq!(
        (&shown["status"], &shown["protected"], &shown["consistency"]),
        (&json!("COMPLETE"), &json!(2), &json!("crash")),
        "{shown}"
    );
    assert!(shown["status_reason"].as_str().unwrap().contains("subnet (it names no subnet that exists"), "{shown}");

    let before = cloud.shown();
    // Twice: a second restore restores again.
    for damage in ["one", "two"] {
        cloud.swift.put(PROJECT, "files", "log/07", damage.as_bytes(), &[]);
        cloud.swift.put(PROJECT, "files", "extra", damage.as_bytes(), &[]);
        cloud.swift.remove(PROJECT, "files", "log/08");
        cloud.neutron.change("networks", &net, "name", json!(damage));
        cloud.neutron.change("networks", &net, "mtu", json!(1400));
        app.restore(&stack, &snapshot).await;
        assert_eq!(cloud.shown(), before);
        assert_eq!(cloud.neutron.look("networks", &net, "name"), "web");
        assert_eq!(cloud.neutron.look("networks", &net, "mtu"), 1400);
    }
    cloud.swift.lose_container(PROJECT, "files");
    app.restore(&stack, &snapshot).await;
    assert_eq!(cloud.shown().len(), before.len());

    let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
    app.completes(&deleted).await;
    assert_eq!(cloud.shown().len(), before.len(), "the container itself is not ours to delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_the_middle_of_a_restore_finishes_it() {
    let cloud = Cloud::start().await;
    let mut app = App::embedded_with(&cloud.config()).await;
    let stack = app.stack_of("s", json!({"files": {"type": "OS::Swift::Container", "external_id": "files"}})).await;
    let snapshot = app.snapshot(&stack, "good").await;
    let before = cloud.shown();
    for number in 0..50 {
        cloud.swift.put(PROJECT, "files", &format!("log/{number:02}"), b"damage", &[]);
    }
    cloud.swift.put(PROJECT, "files", "zzz-extra", b"damage", &[]);
    cloud.swift.fault("PUT /files/log", fake::swift::Fault::Slow(Duration::from_millis(300)), usize::MAX);
    cloud.swift.asked();
    let restored = app.change(Method::POST, &format!("{stack}/snapshots/{snapshot}/restore"), Some(json!({}))).await;
    app.until("some objects are written", async |_| {
        let back = cloud.shown().iter().filter(|line| before.contains(line)).count();
        back > 5
    })
    .await;
    app.api.kill();
    assert!(cloud.shown() != before, "it was over before it was killed");
    app.start_again().await;
    app.completes(&restored.1).await;
    assert_eq!(cloud.shown(), before);
}
