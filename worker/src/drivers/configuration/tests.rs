//! The driver against a fake Neutron. (The laws of drivers with data don't fit: nothing of this type is copied anywhere.)

use serde_json::json;
use stacksnap_common::types::{Artifact, Preview, Resource};
use stacksnap_openstack::fake;

use super::Configuration;
use crate::driver::{Ctx, Cut, Driver, Error, Outcome};
use crate::drivers::openstack::lab::{self, Caller};

const PROJECT: &str = "demo-id";

struct Lab {
    neutron: fake::Neutron,
    _keystone: fake::Keystone,
    caller: Caller,
}

impl Lab {
    async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        let neutron = fake::Neutron::start(&keystone).await;
        let caller = Caller::of(&keystone);
        Self { neutron, _keystone: keystone, caller }
    }

    fn ctx(&self, kind: &str, id: Option<&str>) -> Ctx {
        let resource = Resource { external_id: id.map(str::to_owned), ..lab::resource("it", kind, "") };
        self.caller.ctx(lab::step(), resource)
    }

    async fn copy(&self, kind: &str, id: &str) -> Artifact {
        done(Configuration.copy(&self.ctx(kind, Some(id)), Cut::None).await.unwrap())
    }

    async fn preview(&self, artifact: &Artifact, id: &str) -> Preview {
        done(Configuration.preview(&self.ctx(&artifact.kind, Some(id)), artifact).await.unwrap())
    }

    async fn restore(&self, artifact: &Artifact, id: &str) -> Preview {
        done(Configuration.restore(&self.ctx(&artifact.kind, Some(id)), artifact).await.unwrap())
    }
}

fn done<T>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Done(done) => done,
        Outcome::Later { .. } => panic!("nothing is put off"),
    }
}

#[tokio::test]
async fn a_port_is_set_where_that_is_safe_and_the_rest_is_named() {
    let lab = Lab::start().await;
    let port = json!({"name": "web", "admin_state_up": true, "security_groups": ["a", "b"],
                      "fixed_ips": [{"ip_address": "10.0.0.5"}], "device_id": "server-1", "status": "ACTIVE"});
    let id = lab.neutron.put(PROJECT, "ports", port);
    let artifact = lab.copy("OS::Neutron::Port", &id).await;
    assert!(artifact.protected && artifact.inline);
    assert_eq!(artifact.data["captures"], "configuration");
    assert_eq!(artifact.data["properties"]["security_groups"], json!(["a", "b"]));
    assert_eq!(artifact.data["properties"].get("status"), None);
    let plan = lab.preview(&artifact, &id).await;
    assert_eq!((plan.overwrites, plan.unchanged, plan.sample.len(), plan.notes.len()), (0, 1, 0, 0), "{plan:?}");

    lab.neutron.change("ports", &id, "security_groups", json!(["b", "c"]));
    lab.neutron.change("ports", &id, "device_id", json!("server-2"));
    lab.neutron.change("ports", &id, "status", json!("DOWN"));
    lab.neutron.asked();
    let plan = lab.preview(&artifact, &id).await;
    assert_eq!(plan.sample, [r#"it: set security_groups: ["a","b"] (now ["b","c"])"#]);
    assert_eq!(plan.notes, [r#"it: differs: device_id is "server-2", was "server-1"; not changed"#]);
    assert_eq!(lab.neutron.asked(), [format!("GET /v2.0/ports/{id}")], "looking touches nothing");
    for _ in 0..2 {
        lab.restore(&artifact, &id).await;
        assert_eq!(lab.neutron.look("ports", &id, "security_groups"), json!(["a", "b"]));
        assert_eq!(lab.neutron.look("ports", &id, "device_id"), "server-2");
    }
    let puts = lab.neutron.asked().into_iter().filter(|asked| asked.starts_with("PUT")).count();
    assert_eq!(puts, 1, "the second found nothing to do");
}

#[tokio::test]
async fn every_type_of_neutron_is_read_where_it_is() {
    let lab = Lab::start().await;
    for (kind, collection) in [
        ("OS::Neutron::Net", "networks"),
        ("OS::Neutron::Subnet", "subnets"),
        ("OS::Neutron::Router", "routers"),
        ("OS::Neutron::SecurityGroup", "security-groups"),
        ("OS::Neutron::FloatingIP", "floatingips"),
    ] {
        let id = lab.neutron.put(PROJECT, collection, json!({"description": "first", "name": "it"}));
        let artifact = lab.copy(kind, &id).await;
        lab.neutron.change(collection, &id, "description", json!("second"));
        let did = lab.restore(&artifact, &id).await;
        assert_eq!((did.overwrites, did.sample.len()), (1, 1), "{kind}: {did:?}");
        assert_eq!(lab.neutron.look(collection, &id, "description"), "first", "{kind}");
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_not_protected_and_fails_nothing() {
    let lab = Lab::start().await;
    let id = lab.neutron.put("other-id", "networks", json!({"name": "theirs"}));
    let artifact = lab.copy("OS::Neutron::Net", &id).await;
    assert!(!artifact.protected && artifact.why.as_ref().unwrap().contains("could not be found"), "{artifact:?}");
    // A service that the catalogue does not have.
    let artifact = lab.copy("OS::Nova::KeyPair", "key").await;
    assert!(!artifact.protected && artifact.why.as_ref().unwrap().contains("has no compute"), "{artifact:?}");
    let artifact = Configuration.copy(&lab.ctx("OS::Neutron::Net", None), Cut::None).await.map(done).unwrap();
    assert!(artifact.why.unwrap().contains("names no network that exists"));
    let checked = Configuration.check(&lab.ctx("OS::Neutron::Net", Some(&id))).await.unwrap();
    assert_eq!(checked.warnings.len(), 1);
    // Heat has the template.
    let of_heat = Ctx { may_move: false, ..lab.ctx("OS::Keystone::User", Some("u")) };
    let artifact = Configuration.copy(&of_heat, Cut::None).await.map(done).unwrap();
    assert!(artifact.protected && artifact.warnings[0].contains("Heat brings it back"), "{artifact:?}");
    assert_eq!(done(Configuration.preview(&of_heat, &artifact).await.unwrap()).notes.len(), 1);
    lab.neutron.refuses(Some(503));
    let ended = Configuration.copy(&lab.ctx("OS::Neutron::Net", Some(&id)), Cut::None).await;
    assert!(matches!(ended, Err(Error::Transient { .. })));
}

#[tokio::test]
async fn what_is_gone_or_refused_is_named_and_the_restore_goes_on() {
    let lab = Lab::start().await;
    let id = lab.neutron.put(PROJECT, "networks", json!({"name": "net", "mtu": 1500}));
    let artifact = lab.copy("OS::Neutron::Net", &id).await;
    lab.neutron.change("networks", &id, "name", json!("other"));
    lab.neutron.refuses(Some(403));
    let did = lab.restore(&artifact, &id).await;
    assert!(did.notes[0].contains("can't be read") && did.overwrites == 0, "{did:?}");
    lab.neutron.refuses(None);
    lab.neutron.lose("networks", &id);
    let did = lab.restore(&artifact, &id).await;
    assert!(did.notes[0].contains("could not be found") && did.notes[0].ends_with("not changed"), "{did:?}");
    assert!(did.blockers.is_empty());
}
