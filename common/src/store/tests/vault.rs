//! Which vault a store's snapshots are in.

use uuid::Uuid;

use super::world::{Odds, World};
use crate::store::Settings;

#[tokio::test]
async fn the_first_vault_that_is_told_is_the_stores_until_it_is_replaced() {
    let world = World::new(3, Odds::default(), Settings::default());
    let store = &world.store;
    assert_eq!(store.vault().await.unwrap(), None);
    let ids: Vec<_> = (0..4).map(|_| Uuid::new_v4()).collect();
    let told = futures_util::future::join_all(ids.iter().map(|id| store.know_vault(*id))).await;
    let known = store.vault().await.unwrap().unwrap();
    assert!(told.into_iter().all(|told| told.unwrap() == known), "all agree, whoever was first");
    assert_eq!(store.know_vault(Uuid::new_v4()).await.unwrap(), known);
    store.replace_vault(ids[0]).await.unwrap();
    assert_eq!(store.vault().await.unwrap(), Some(ids[0]));
}
