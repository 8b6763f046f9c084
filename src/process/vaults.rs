//! The vaults of this deployment: where they are, and the master key.

use secrecy::SecretString;
use stacksnap_common::config::{Config, Secret};
use stacksnap_common::store::{self, Store};
use stacksnap_worker::vault::{Error, Location, MasterKey, Settings, Vaults};

use crate::exit::Failure;

/// Whether a master key may be made where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// At the first start of `serve`.
    Make,
    /// A worker, or an operator's command, must find it.
    Find,
}

/// Touches the key's file, and not yet the vault.
pub fn open(config: &Config, key: Key) -> Result<Vaults, Failure> {
    let mut settings = Settings::new(location(config)?);
    settings.index_bytes = config.vault.handles;
    let master = master_key(config, key)?;
    Vaults::new(settings, master).map_err(failure)
}

/// Sees to it that only the vault is used that the store's snapshots are in. The first one that is used is that.
///
/// Where it is not there, this is said, and steps wait for it: a disk may be mounted later.
pub async fn agree(store: &Store, vaults: &Vaults) -> Result<(), Failure> {
    let lost = |error: &store::Error| Failure::failed(format!("which vault is the store's can't be told: {error}"));
    let known = store.vault().await.map_err(|error| lost(&error))?;
    if let Some(known) = known {
        vaults.expect(known);
    }
    match vaults.marker().await {
        Ok(found) => vaults.expect(store.know_vault(found).await.map_err(|error| lost(&error))?),
        Err(error) => tracing::error!("{error}; until that is mended no step can be run"),
    }
    Ok(())
}

fn location(config: &Config) -> Result<Location, Failure> {
    let s3 = &config.vault.s3;
    let Some(bucket) = &s3.bucket else { return Ok(Location::Directory(config.vault_path())) };
    let text = |secret: &Option<Secret>| SecretString::from(secret.as_ref().map_or("", Secret::expose));
    let region = s3.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
    Ok(Location::S3 {
        endpoint: match &s3.endpoint {
            Some(endpoint) => endpoint.expose().to_owned(),
            None => format!("https://s3.{region}.amazonaws.com"),
        },
        bucket: bucket.clone(),
        prefix: s3.prefix.clone().unwrap_or_default(),
        region,
        access_key: text(&s3.access_key),
        secret_key: text(&s3.secret_key),
    })
}

fn master_key(config: &Config, key: Key) -> Result<MasterKey, Failure> {
    if let Some(given) = &config.vault.master_key {
        return MasterKey::parse(given.expose(), "vault.master_key").map_err(failure);
    }
    let path = config.master_key_file();
    if path.exists() || key == Key::Find || config.vault.master_key_file.is_some() {
        return MasterKey::from_file(&path).map_err(failure);
    }
    // A new key beside an old vault would open nothing of it, and whoever reads that error later knows less than we do.
    if let Some(bucket) = &config.vault.s3.bucket {
        return Err(Failure::usage(format!(
            "there is no master key in {}; for a vault in a bucket ({bucket}) none is made, for others may use it: set \
             vault.master_key_file to a file with 64 hexadecimal digits (openssl rand -hex 32)",
            path.display()
        )));
    }
    let vault = config.vault_path();
    if std::fs::read_dir(&vault).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::failed(format!(
            "there is a vault in {} and no master key in {}; put the key that it was made with there",
            vault.display(),
            path.display()
        )));
    }
    let made = MasterKey::create_file(&path).map_err(failure)?;
    tracing::warn!(
        "made the master key {}; keep a copy of it somewhere else: without it no snapshot can ever be read again",
        path.display()
    );
    Ok(made)
}

fn failure(error: Error) -> Failure {
    Failure::failed(error.to_string())
}
