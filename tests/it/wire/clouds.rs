//! The two clouds: the fake one, in this process, and a real one that `tests/openstack/up` has brought up. Both have the
//! users `demo` and `alt`, each in a project of the same name, and `stacksnap` in `service`.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use stacksnap_openstack::fake::{self, cinder, nova};
use tokio::sync::Mutex;

type Kept = BTreeMap<String, String>;

#[async_trait]
pub(super) trait Cloud: Sync {
    fn client(&self) -> &Client;

    /// Without a slash at its end; Glance's with its version.
    async fn endpoint(&self, service: &str) -> String;

    async fn token(&self, user: &str) -> String;

    /// Does by other ways what no request of a scene does, and says what is to be kept of it.
    async fn hook(&self, hook: &str, kept: &Kept) -> Kept;
}

fn project(user: &str) -> &str {
    if user == "stacksnap" { "service" } else { user }
}

fn kept<const N: usize>(pairs: [(&str, String); N]) -> Kept {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// To the microsecond, so that no two runs are the same.
fn tomorrow() -> String {
    #[expect(clippy::disallowed_methods, reason = "this is the caller's own clock")]
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    tomorrow.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

pub(super) struct Fake {
    client: Client,
    keystone: fake::Keystone,
    cinder: fake::Cinder,
    glance: fake::Glance,
    nova: fake::Nova,
    swift: fake::Swift,
}

impl Fake {
    pub(super) async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        keystone.grant("demo", "demo", &["member", "reader"]);
        keystone.grant("alt", "alt", &["member", "reader"]);
        keystone.grant("stacksnap", "service", &["admin", "service"]);
        let cinder = fake::Cinder::start(&keystone).await;
        let glance = fake::Glance::start(&keystone).await;
        let nova = fake::Nova::start(&keystone, &cinder, &glance).await;
        let swift = fake::Swift::start(&keystone).await;
        // Long enough that what is on its way is seen.
        let takes = Duration::from_millis(300);
        cinder.delays(cinder::Delays { volume: takes, snapshot: takes, backup: takes, restore: takes, delete: takes });
        nova.delays(nova::Delays { image: takes, image_lag: takes, rebuild: takes, power: takes, attach: takes });
        Self { client: client(), keystone, cinder, glance, nova, swift }
    }
}

#[async_trait]
impl Cloud for Fake {
    fn client(&self) -> &Client {
        &self.client
    }

    async fn endpoint(&self, service: &str) -> String {
        match service {
            "identity" => self.keystone.url().to_string(),
            "block-storage" => format!("{}/demo-id", self.cinder.url()),
            "image" => format!("{}v2", self.glance.url()),
            "compute" => self.nova.url().to_string(),
            "object-store" => self.swift.url("demo-id").to_string(),
            other => panic!("there is no {other}"),
        }
    }

    async fn token(&self, user: &str) -> String {
        self.keystone.token(user, Some(project(user)))
    }

    async fn hook(&self, hook: &str, _: &Kept) -> Kept {
        match hook {
            "passwords" => {
                let secret = |user: &str| format!("secret-of-{user}");
                kept([
                    ("secret-demo", secret("demo")),
                    ("secret-stacksnap", secret("stacksnap")),
                    ("tomorrow", tomorrow()),
                ])
            }
            "a group type" => kept([("kind", cinder::GROUP_TYPE.to_owned())]),
            "an image" => kept([("image", self.glance.image("demo-id", "wire", b"0123456789"))]),
            "a server" => {
                let server = self.nova.server("demo-id", b"content");
                let image = self.nova.look(&server, |server| server.image.clone().unwrap()).unwrap();
                kept([("server", server), ("base", image)])
            }
            "no server" => Kept::new(),
            "no more backups" => {
                self.cinder.quota(cinder::Quota { backups: 3, ..cinder::Quota::default() });
                Kept::new()
            }
            "no more snapshots" => {
                self.cinder.quota(cinder::Quota { snapshots: 1, ..cinder::Quota::default() });
                Kept::new()
            }
            "anything is allowed" => {
                self.cinder.quota(cinder::Quota::default());
                Kept::new()
            }
            other => panic!("there is no hook {other:?}"),
        }
    }
}

pub(super) struct Real {
    client: Client,
    keystone: String,
    secret: String,
    logins: Mutex<BTreeMap<String, (String, Value)>>,
}

impl Real {
    /// As `tests/openstack/up` says where it is.
    pub(super) fn from_env() -> Self {
        let var =
            |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: load STATE/env first"));
        Self { client: client(), keystone: var("KEYSTONE"), secret: var("SECRET"), logins: Mutex::default() }
    }

    /// A token, and what Keystone says of it.
    async fn login(&self, user: &str) -> (String, Value) {
        let mut logins = self.logins.lock().await;
        if let Some(known) = logins.get(user) {
            return known.clone();
        }
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": self.secret}}},
            "scope": {"project": {"name": project(user), "domain": domain}}}});
        let answer = self.client.post(format!("{}/auth/tokens", self.keystone)).json(&body).send().await.unwrap();
        let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
        let login = (token, json(answer).await["token"].clone());
        logins.insert(user.to_owned(), login.clone());
        login
    }

    async fn get(&self, service: &str, path: &str) -> Value {
        let url = format!("{}{path}", self.endpoint(service).await);
        json(self.client.get(url).header("x-auth-token", self.token("demo").await).send().await.unwrap()).await
    }

    /// The quota is what there is.
    async fn full(&self, what: &str) {
        let used = self.quota("?usage=true", None).await["quota_set"][what]["in_use"].clone();
        self.quota("", Some(json!({what: used}))).await;
    }

    /// What only an administrator may ask Cinder, in the administrator's own project.
    async fn as_admin(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (token, service) = self.login("stacksnap").await;
        let of_service =
            self.endpoint("block-storage").await.replace(&self.project("demo").await, &project_of(&service));
        let mut request = self.client.request(method, format!("{of_service}{path}")).header("x-auth-token", token);
        request = request.header("openstack-api-version", "volume 3.43");
        if let Some(body) = body {
            request = request.json(&body);
        }
        json(request.send().await.unwrap()).await
    }

    /// The id of the user's project.
    async fn project(&self, user: &str) -> String {
        project_of(&self.login(user).await.1)
    }

    async fn quota(&self, query: &str, new: Option<Value>) -> Value {
        let path = format!("/os-quota-sets/{}{query}", self.project("demo").await);
        let method = if new.is_some() { Method::PUT } else { Method::GET };
        self.as_admin(method, &path, new.map(|quota| json!({ "quota_set": quota }))).await
    }

    /// One whose backend need not cut at one moment. It is there for good.
    async fn group_type(&self) -> Kept {
        let all = self.as_admin(Method::GET, "/group_types", None).await["group_types"].clone();
        let known = all.as_array().unwrap().iter().find(|it| it["name"] == "wire").cloned();
        let kind = match known {
            Some(known) => known,
            None => {
                let new = json!({"group_type": {"name": "wire"}});
                self.as_admin(Method::POST, "/group_types", Some(new)).await["group_type"].clone()
            }
        };
        kept([("kind", kind["id"].as_str().unwrap().to_owned())])
    }

    async fn boot(&self) -> Kept {
        let (flavors, images) = (self.get("compute", "/flavors").await, self.get("image", "/images?name=tiny").await);
        let id = |of: &Value| of["id"].as_str().unwrap().to_owned();
        let (flavor, image) = (id(&flavors["flavors"][0]), id(&images["images"][0]));
        let body = json!({"server": {"name": "server", "flavorRef": flavor, "imageRef": image, "networks": "none"}});
        let url = format!("{}/servers", self.endpoint("compute").await);
        let request = self.client.post(url).header("x-auth-token", self.token("demo").await);
        let made =
            json(request.header("openstack-api-version", "compute 2.79").json(&body).send().await.unwrap()).await;
        kept([("server", id(&made["server"])), ("base", image)])
    }

    async fn upload(&self) -> Kept {
        let body = json!({"name": "wire", "disk_format": "raw", "container_format": "bare", "min_disk": 1});
        let (images, token) = (format!("{}/images", self.endpoint("image").await), self.token("demo").await);
        let made = self.client.post(&images).header("x-auth-token", &token).json(&body).send().await.unwrap();
        let id = json(made).await["id"].as_str().unwrap().to_owned();
        let file = self.client.put(format!("{images}/{id}/file")).header("x-auth-token", token);
        let sent = file.header("content-type", "application/octet-stream").body("0123456789").send().await.unwrap();
        assert_eq!(sent.status(), 204);
        kept([("image", id)])
    }
}

/// Of what Keystone says of a token.
fn project_of(token: &Value) -> String {
    token["project"]["id"].as_str().unwrap().to_owned()
}

async fn json(answer: Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap()
}

#[async_trait]
impl Cloud for Real {
    fn client(&self) -> &Client {
        &self.client
    }

    async fn endpoint(&self, service: &str) -> String {
        if service == "identity" {
            return self.keystone.clone();
        }
        let (_, token) = self.login("demo").await;
        let listed = token["catalog"].as_array().unwrap().iter().find(|entry| entry["type"] == service);
        let url = listed.unwrap_or_else(|| panic!("no {service} in the catalogue"))["endpoints"][0]["url"].as_str();
        let url = url.unwrap().trim_end_matches('/');
        if service == "image" { format!("{url}/v2") } else { url.to_owned() }
    }

    async fn token(&self, user: &str) -> String {
        self.login(user).await.0
    }

    async fn hook(&self, hook: &str, known: &Kept) -> Kept {
        match hook {
            "passwords" => {
                let secret = || self.secret.clone();
                return kept([("secret-demo", secret()), ("secret-stacksnap", secret()), ("tomorrow", tomorrow())]);
            }
            "a group type" => return self.group_type().await,
            "an image" => return self.upload().await,
            "a server" => return self.boot().await,
            "no server" => {
                let url = format!("{}/servers/{}", self.endpoint("compute").await, known["server"]);
                let request = self.client.delete(url).header("x-auth-token", self.token("demo").await);
                assert_eq!(request.send().await.unwrap().status(), 204);
            }
            "no more backups" => self.full("backups").await,
            "no more snapshots" => self.full("snapshots").await,
            "anything is allowed" => drop(self.quota("", Some(json!({"backups": 100, "snapshots": 100}))).await),
            other => panic!("there is no hook {other:?}"),
        }
        Kept::new()
    }
}
