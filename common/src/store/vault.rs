//! Which vault a store's snapshots are in. A worker tells at its first start; from then on another vault, or none where the
//! vault should be, is not taken for it: a disk that is not mounted looks like an empty directory.

use std::time::Duration;

use uuid::Uuid;

use super::{Error, Shard, Store, backend, keys, put, require_version};

impl Store {
    /// The id of the vault (the text of its marker file). None: no worker has told yet.
    pub async fn vault(&self) -> Result<Option<Uuid>, Error> {
        Ok(self.read::<Uuid>(Shard(0), keys::vault()).await?.map(|known| known.value))
    }

    /// Says which vault it is, unless that is known. The one that it is.
    pub async fn know_vault(&self, id: Uuid) -> Result<Uuid, Error> {
        if let Some(known) = self.vault().await? {
            return Ok(known);
        }
        let mut batch = self.batch(Shard(0)).await?;
        batch.require(backend::Precondition::Absent(keys::vault()));
        put(&mut batch, keys::vault(), &id)?;
        // Whoever was first has it.
        match self.settle(&batch, Duration::from_secs(1)).await {
            Err(backend::Error::Conflict(_)) => Ok(self.vault().await?.unwrap_or(id)),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(id),
        }
    }

    /// From now on it is this one: an operator has made the store again from it.
    pub async fn replace_vault(&self, id: Uuid) -> Result<(), Error> {
        let mut batch = self.batch(Shard(0)).await?;
        match self.read::<Uuid>(Shard(0), keys::vault()).await? {
            Some(known) => require_version(&mut batch, keys::vault(), known.version),
            None => {
                batch.require(backend::Precondition::Absent(keys::vault()));
            }
        }
        put(&mut batch, keys::vault(), &id)?;
        self.settle(&batch, Duration::from_secs(1)).await?;
        Ok(())
    }
}
