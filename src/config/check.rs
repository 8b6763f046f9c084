//! `config check`: reads the configuration as `serve` would, then tries what it names, and says of each what it found.
//! Nothing is written. What was found wrong makes the command fail, after everything was tried.

use std::path::Path;
use std::time::Duration;

use stacksnap_api::auth::file::TokenFile;
use stacksnap_api::auth::rules::Rules;
use stacksnap_common::config::{self, Auth, Config, Connection};
use stacksnap_openstack::{self as openstack, Http, http};
use stacksnap_worker::vault::MasterKey;

use crate::cli::ConfigFlags;
use crate::exit::Failure;

/// For how long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

pub async fn run(flags: ConfigFlags) -> Result<(), Failure> {
    let config = config::load(&flags.sources()).map_err(|error| Failure::usage(error.to_string()))?;
    println!("configuration: ok");
    let mut wrong = 0;
    let mut say = |what: &str, found: Result<String, String>| match found {
        Ok(found) => println!("{what}: {found}"),
        Err(found) => {
            wrong += 1;
            println!("{what}: WRONG: {found}");
        }
    };
    say("data_dir", data_dir(&config.data_dir));
    match &config.auth {
        Auth::None => {}
        Auth::Tokens(path) => say("auth", good(TokenFile::open(path))),
        Auth::Keystone => say("keystone", keystone(&config.keystone).await),
    }
    if let Some(path) = &config.policy.file {
        say("policy.file", good(Rules::load(path)));
    }
    for root in &config.directory_root {
        say(&format!("directory_root {}", root.path.display()), directory(&root.path));
    }
    if config.vault.s3.bucket.is_none() {
        let path = config.vault_path();
        say("vault.path", data_dir(&path));
    }
    if config.vault.master_key.is_none() {
        say("vault.master_key_file", master_key(&config));
    }
    for (name, address, port) in [("redis", &config.redis, 6379), ("amqp", &config.amqp, 5672)] {
        if let Some(address) = address {
            say(name, listens(address.expose(), port).await);
        }
    }
    for (name, connection) in &config.postgresql {
        say(&format!("postgresql.{name}"), postgresql(connection).await);
    }
    if let Some(url) = &config.heat.url {
        say("heat.url", heat(url.expose()).await);
    }
    if config.openstack.cloud.is_some() && config.openstack.enabled {
        say("openstack.cloud", cloud(&config).await);
    }
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::failed("one thing is wrong, see above")),
        _ => Err(Failure::failed(format!("{wrong} things are wrong, see above"))),
    }
}

/// A token, and where the catalogue has block storage.
async fn cloud(config: &Config) -> Result<String, String> {
    let session = crate::process::cloud::operator(config).map_err(|failure| failure.to_string())?;
    let session = session.ok_or_else(|| "there is none".to_owned())?;
    let asked = tokio::time::timeout(PATIENCE, session.endpoint("block-storage")).await;
    let found = asked.map_err(|_| "no answer in time".to_owned())?;
    found.map(|url| format!("volumes at {url}")).map_err(|error| error.to_string())
}

fn data_dir(path: &Path) -> Result<String, String> {
    // The nearest directory above that is there decides whether it could be made.
    match path
        .ancestors()
        .map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above })
        .find(|above| above.exists())
    {
        Some(above) if above == path => writable(path).map(|()| "ok".to_owned()),
        Some(above) => writable(above).map(|()| "is made at the first start".to_owned()),
        None => Err(format!("{} can't be made", path.display())),
    }
}

fn writable(path: &Path) -> Result<(), String> {
    if !path.is_dir() {
        return Err(format!("{} is not a directory", path.display()));
    }
    // A file without a name: nothing is left behind.
    tempfile::tempfile_in(path).map(|_| ()).map_err(|error| format!("{} can't be written to: {error}", path.display()))
}

fn directory(path: &Path) -> Result<String, String> {
    match std::fs::read_dir(path) {
        Ok(_) => Ok("ok".to_owned()),
        Err(error) => Err(format!("{} can't be read: {error}", path.display())),
    }
}

/// What has been read as the process reads it.
fn good<T>(read: Result<T, impl std::fmt::Display>) -> Result<String, String> {
    read.map(|_| "ok".to_owned()).map_err(|error| error.to_string())
}

fn master_key(config: &Config) -> Result<String, String> {
    let path = config.master_key_file();
    if config.vault.master_key_file.is_none() && !path.exists() {
        return Ok("is made at the first start of `serve`".to_owned());
    }
    good(MasterKey::from_file(&path))
}

/// Whether somebody listens there. No more: a store or a broker would be written to by logging in as the process does.
async fn listens(url: &str, port: u16) -> Result<String, String> {
    // The text itself is in no message: it may hold a password.
    let url: openstack::Url = url.parse().map_err(|error| format!("is not a URL: {error}"))?;
    let host = url.host_str().unwrap_or("localhost").trim_matches(['[', ']']);
    let port = url.port().unwrap_or(if url.scheme() == "amqps" { 5671 } else { port });
    match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((host, port))).await {
        Err(_) => Err(format!("{host}:{port} does not answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Err(format!("{host}:{port}: {error}")),
        Ok(Ok(_)) => Ok(format!("ok, {host}:{port} listens")),
    }
}

/// Logs the service user in, and asks Keystone about a token as for a caller: about its own.
async fn keystone(config: &config::Keystone) -> Result<String, String> {
    let session = crate::process::keystone::session(config).map_err(|failure| failure.message)?;
    let token = session.token().await.map_err(|error| error.to_string())?;
    let may = ["service", "admin"].iter().any(|role| token.has_role(role));
    if !may {
        return Err(format!(
            "user {} has neither the role service nor admin in its project, so it may not validate tokens",
            token.user.name
        ));
    }
    Ok(format!("ok, {} as {}", session.auth_url(), token.user.name))
}

async fn postgresql(connection: &Connection) -> Result<String, String> {
    let mut options = tokio_postgres::Config::new();
    options
        .host(&connection.host)
        .port(connection.port)
        .user(&connection.user)
        .dbname(&connection.maintenance_database)
        .application_name("stacksnap config check")
        .connect_timeout(PATIENCE);
    if let Some(path) = &connection.password_file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("password_file {} can't be read: {error}", path.display()))?;
        options.password(text.lines().next().unwrap_or_default());
    }
    if let Some(password) = &connection.password {
        options.password(password.expose());
    }
    let attempt = async {
        let (client, connection) = options.connect(tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        let row = client.query_one("SELECT current_setting('server_version'), rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user", &[]).await;
        drop(client);
        let _ = connection.await;
        row
    };
    let at = format!("{}:{}", connection.host, connection.port);
    match tokio::time::timeout(PATIENCE, attempt).await {
        Err(_) => Err(format!("{at} does not answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Err(format!("{at}: {}", innermost(&error))),
        Ok(Ok(row)) if !row.get::<_, bool>(1) => Err(format!(
            "{at}: user {} may not create databases, so nothing could be restored; ALTER ROLE … CREATEDB",
            connection.user
        )),
        Ok(Ok(row)) => Ok(format!("ok, PostgreSQL {}", row.get::<_, String>(0))),
    }
}

/// Heat's list of versions, which needs no token, is at its root.
async fn heat(url: &str) -> Result<String, String> {
    let root = url.trim_end_matches('/').trim_end_matches("/v1").to_owned() + "/";
    let settings = http::Settings { connect: PATIENCE, answer: PATIENCE, tries: 1, ..http::Settings::default() };
    let http = Http::new(settings).map_err(|error| error.to_string())?;
    let asked = root.parse().map_err(|error| format!("{root} is not a URL: {error}"))?;
    let versions: serde_json::Value = match http.send(openstack::Request::get(asked)).await {
        Ok(reply) => reply.json().map_err(|error| error.to_string())?,
        Err(error) => return Err(error.to_string()),
    };
    let known = versions["versions"].as_array().into_iter().flatten().filter_map(|version| version["id"].as_str());
    match known.collect::<Vec<_>>().as_slice() {
        [] => Err(format!("{root} answers, and is no Heat")),
        versions => Ok(format!("ok, {}", versions.join(", "))),
    }
}

/// The text of an error's innermost source: it says more than "error connecting to server".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
