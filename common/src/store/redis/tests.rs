//! The laws on real servers, and what only a server can do: be set up wrongly, stop, hang, hand over to a replica.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Instant;

use futures_util::future::join_all;

use super::*;
use crate::store::backend::At;
use crate::store::contract::Setup;
use crate::testing::redis::RedisServer;

fn shards() -> Shards {
    Shards::new(4).unwrap()
}

fn settings(server: &RedisServer) -> Settings {
    Settings::new(server.url(), shards())
}

async fn connect(server: &RedisServer) -> Redis {
    Redis::connect(settings(server)).await.unwrap()
}

fn refused(result: Result<Redis, Error>) -> String {
    match result.map(|_| ()) {
        Err(Error::Refused(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

async fn put(store: &Redis, name: &str, value: impl Into<bytes::Bytes>) -> Result<Committed, Error> {
    let mut batch = Batch::new(Shard(1), store.now().await?);
    batch.put(Key(name.to_owned()), value);
    store.commit(&batch).await
}

async fn read(store: &Redis, name: &str) -> Option<Versioned> {
    store.get(Shard(1), &[Key(name.to_owned())]).await.unwrap().remove(0)
}

/// Waits until something succeeds.
async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "it never happened");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct OnServer {
    server: RedisServer,
    store: Arc<dyn Backend>,
}

async fn setup() -> OnServer {
    let server = RedisServer::start().await;
    let store = Arc::new(connect(&server).await);
    OnServer { server, store }
}

#[async_trait]
impl Setup for OnServer {
    fn backend(&self) -> Arc<dyn Backend> {
        self.store.clone()
    }

    async fn kill_and_start(&mut self) {
        self.server.stop();
        self.server.start_again().await;
        self.store = Arc::new(connect(&self.server).await);
    }
}

mod laws {
    crate::backend_contract!(super::setup());
}

#[tokio::test]
async fn a_server_that_would_lose_something_is_refused() {
    let server =
        RedisServer::start_with(&[("appendonly", "no"), ("appendfsync", "no"), ("maxmemory-policy", "allkeys-lru")])
            .await;
    let text = refused(Redis::connect(settings(&server)).await);
    for set in ["`appendonly yes`", "`appendfsync always`", "`maxmemory-policy noeviction`", "allow_unsafe"] {
        assert!(text.contains(set), "{text}");
    }
    let unsafe_settings = Settings { allow_unsafe: true, ..settings(&server) };
    put(&Redis::connect(unsafe_settings).await.unwrap(), "k", "v").await.unwrap();
}

#[tokio::test]
async fn the_number_of_shards_is_fixed_at_first_use() {
    let server = RedisServer::start().await;
    let store = connect(&server).await;
    assert_eq!(store.shards(), shards());
    let other = Settings { shards: Shards::new(8).unwrap(), ..settings(&server) };
    let text = refused(Redis::connect(other.clone()).await);
    assert!(text.contains("with 4 shards") && text.contains("`shards = 4` under `[store]`"), "{text}");
    // Another prefix is another store.
    let beside = Redis::connect(Settings { prefix: "beside".to_owned(), ..other }).await.unwrap();
    put(&beside, "k", "theirs").await.unwrap();
    assert_eq!(read(&store, "k").await, None);
}

#[tokio::test]
async fn wrong_addresses_and_passwords_are_named_without_secrets() {
    let server = RedisServer::start_with(&[("requirepass", "right")]).await;
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());
    Redis::connect(Settings::new(url("right"), shards())).await.unwrap();
    for wrong in [url("secret"), server.url()] {
        let text = refused(Redis::connect(Settings::new(wrong, shards())).await);
        assert!(text.contains(&server.port().to_string()) && !text.contains("secret"), "{text}");
    }
    for wrong in ["localhost:6379", "http://:secret@localhost", "redis+sentinel://:secret@localhost:1", ""] {
        let text = refused(Redis::connect(Settings::new(wrong, shards())).await);
        assert!(!text.contains("secret"), "{text}");
    }
    assert!(!format!("{:?}", Settings::new(url("secret"), shards())).contains("secret"));
    let nobody = Settings::new("redis://127.0.0.1:1", shards());
    assert!(matches!(Redis::connect(nobody).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_socket_will_do() {
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("redis.sock").display().to_string();
    let _server = RedisServer::start_with(&[("unixsocket", &path)]).await;
    let store = Redis::connect(Settings::new(format!("redis+unix://{path}"), shards())).await.unwrap();
    put(&store, "k", "v").await.unwrap();
}

#[tokio::test]
async fn a_stopped_server_is_unavailable_at_once_and_found_again() {
    let mut server = RedisServer::start().await;
    let store = connect(&server).await;
    let kept = put(&store, "kept", "x").await.unwrap();
    store.uptime().await.unwrap();
    server.stop();
    let started = Instant::now();
    for _ in 0..20 {
        assert!(matches!(store.ping().await, Err(Error::Unavailable(_))));
        let got = store.get(Shard(1), &[Key("kept".to_owned())]).await;
        assert!(matches!(got, Err(Error::Unavailable(_))), "{got:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?} for 40 calls", started.elapsed());
    server.start_again().await;
    eventually(async || store.ping().await.ok()).await;
    assert_eq!(read(&store, "kept").await.unwrap().version, kept.seq);
    assert!(store.uptime().await.unwrap() < 20_000);
}

#[tokio::test]
async fn a_hanging_server_costs_no_more_than_the_timeout_and_settles_later() {
    let mut server = RedisServer::start().await;
    let store = connect(&server).await;
    put(&store, "before", "x").await.unwrap();
    server.pause();
    let mut batch = Batch::new(Shard(1), store.now().await.unwrap());
    batch.count(Key("n".to_owned()), 1, None);
    let started = Instant::now();
    let unknown = join_all((0..8).map(|_| store.commit(&batch))).await;
    assert!(unknown.iter().all(|answer| matches!(answer, Err(Error::Unavailable(_)))), "{unknown:?}");
    assert!(started.elapsed() < Duration::from_millis(1900), "{:?}", started.elapsed());
    server.resume();
    let done = eventually(async || store.commit(&batch).await.ok()).await;
    assert_eq!(done.counters, [1]);
    assert_eq!(store.counters(Shard(1), &[Key("n".to_owned())]).await.unwrap(), [1]);
}

#[tokio::test]
async fn a_full_server_refuses_and_still_reads() {
    let server = RedisServer::start().await;
    let store = connect(&server).await;
    put(&store, "kept", "x").await.unwrap();
    assert_eq!(server.tell("CONFIG SET maxmemory 1").await.unwrap(), "+OK");
    let mut batch = Batch::new(Shard(1), store.now().await.unwrap());
    batch.put(Key("kept".to_owned()), "y").put(Key("more".to_owned()), "y");
    let answer = store.commit(&batch).await;
    assert!(matches!(&answer, Err(Error::Refused(text)) if text.contains("maxmemory")), "{answer:?}");
    assert!(matches!(store.ping().await, Err(Error::Refused(_))));
    assert_eq!(read(&store, "kept").await.unwrap().value, "x");
    assert_eq!(store.scan(Shard(1), "", None, 10).await.unwrap().len(), 1);
    assert_eq!(store.due(10).await.unwrap(), []);
    assert_eq!(server.tell("CONFIG SET maxmemory 0").await.unwrap(), "+OK");
    store.commit(&batch).await.unwrap();
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let server = RedisServer::start().await;
    let store = connect(&server).await;
    for _ in 0..3 {
        put(&store, "k", "v").await.unwrap();
        assert_eq!(store.scan(Shard(1), "", None, 10).await.unwrap().len(), 1);
        store.due(1).await.unwrap();
        store.uptime().await.unwrap();
        assert_eq!(server.tell("SCRIPT FLUSH").await.unwrap(), "+OK");
    }
}

/// Law 4 over time: Redis's clock is not ours to move, its expiries can be read.
#[tokio::test]
async fn tokens_expire_when_their_batches_have_long_been_stale() {
    let server = RedisServer::start().await;
    let store = connect(&server).await;
    let mut batch = Batch::new(Shard(1), store.now().await.unwrap());
    batch.put(Key("k".to_owned()), "v");
    let minute = batch.made.0 / 60_000;
    let done = store.commit(&batch).await.unwrap();
    let key = format!("stacksnap:{{s01}}:tokens:{minute}");
    let until: u64 = server.tell(&format!("PEXPIRETIME {key}")).await.unwrap()[1..].parse().unwrap();
    assert_eq!(until, (minute + 26) * 60_000);
    assert!(until >= done.at.0 + 15 * 60_000);
    // Nothing else ever expires.
    assert_eq!(server.tell("PTTL stacksnap:{s01}:records").await.unwrap(), ":-1");
}

#[tokio::test]
async fn what_another_program_wrote_is_not_taken_for_a_record() {
    let server = RedisServer::start().await;
    let store = connect(&server).await;
    assert_eq!(server.tell("HSET stacksnap:{s01}:records k nonsense").await.unwrap(), ":1");
    let got = store.get(Shard(1), &[Key("k".to_owned())]).await;
    assert!(matches!(got, Err(Error::Corrupt(_))), "{got:?}");
    assert_eq!(server.tell("SET stacksnap:{s02}:records string").await.unwrap(), "+OK");
    let got = store.get(Shard(2), &[Key("k".to_owned())]).await;
    assert!(matches!(got, Err(Error::Corrupt(_))), "{got:?}");
    assert!(matches!(store.get(Shard(4), &[Key("k".to_owned())]).await, Err(Error::Invalid(_))));
}

async fn replica_of(master: &RedisServer) -> RedisServer {
    let of = format!("127.0.0.1 {}", master.port());
    let replica = RedisServer::start_with(&[("replicaof", &of), ("repl-diskless-sync-delay", "0")]).await;
    eventually(async || replica.tell("ROLE").await.ok().filter(|role| role == "*5")).await;
    // Linked is not yet in step; WAIT counts those that are.
    eventually(async || master.tell("WAIT 1 100").await.ok().filter(|count| count == ":1")).await;
    replica
}

#[tokio::test]
async fn a_durable_commit_waits_for_a_replica_where_there_is_one() {
    let master = RedisServer::start().await;
    let mut replica = replica_of(&master).await;
    let text = refused(Redis::connect(settings(&replica)).await);
    assert!(text.contains("is a replica"), "{text}");

    let store = connect(&master).await;
    let results = join_all((0..200).map(|n| {
        let store = &store;
        async move { put(store, &format!("{n}"), "x").await }
    }))
    .await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    // What was answered is on the replica.
    assert_eq!(replica.tell("HLEN stacksnap:{s01}:records").await.unwrap(), ":200");
    let mut now = store.woken();
    let mut timed = Batch::new(Shard(0), store.now().await.unwrap());
    timed.set_timer(TimerId("t".to_owned()), At::NOW);
    store.commit(&timed).await.unwrap();
    assert!(now.has_changed().unwrap());
    now.borrow_and_update();

    // A replica that hangs leaves the outcome open; sent again when it is back, the batch is known and waits again.
    replica.pause();
    let mut batch = Batch::new(Shard(1), store.now().await.unwrap());
    batch.count(Key("n".to_owned()), 1, None);
    let started = Instant::now();
    let answer = store.commit(&batch).await;
    assert!(matches!(&answer, Err(Error::Unavailable(text)) if text.contains("replica")), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let answer = store.commit(&batch).await;
    assert!(matches!(&answer, Err(Error::Unavailable(_))), "a known result did not wait: {answer:?}");
    // What need not be durable does not wait.
    let mut disposable = Batch::new(Shard(1), store.now().await.unwrap()).disposable();
    disposable.put(Key("progress".to_owned()), "1");
    store.commit(&disposable).await.unwrap();
    replica.resume();
    let done = eventually(async || store.commit(&batch).await.ok()).await;
    assert_eq!(done.counters, [1]);
}

#[tokio::test]
async fn replicas_are_noticed_as_they_come_and_go() {
    let master = RedisServer::start().await;
    let store = connect(&master).await;
    put(&store, "alone", "x").await.unwrap();
    let mut replica = replica_of(&master).await;
    eventually(async || {
        // While it catches up it confirms late.
        put(&store, "together", "x").await.ok()?;
        store.replicas.present(&store.link).await.then_some(())
    })
    .await;
    replica.stop();
    eventually(async || put(&store, "alone again", "x").await.ok()).await;
    let started = Instant::now();
    for _ in 0..5 {
        put(&store, "alone again", "x").await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(1), "it still waits: {:?}", started.elapsed());
    // Who insists on a replica is refused nothing in silence.
    let strict = Redis::connect(Settings { wait_replicas: Some(true), ..settings(&master) }).await.unwrap();
    assert!(matches!(put(&strict, "k", "v").await, Err(Error::Unavailable(text)) if text.contains("replica")));
}

#[tokio::test]
async fn a_sentinel_s_new_master_is_found_and_its_service_counts_from_then() {
    let mut first = RedisServer::start().await;
    let second = replica_of(&first).await;
    let sentinel = RedisServer::start_sentinel(first.port()).await;
    // The sentinel finds the replica by asking the master, every ten seconds or after some.
    eventually(async || {
        let known = sentinel.tell("SENTINEL REPLICAS main").await.ok()?;
        (known == "*1").then_some(())
    })
    .await;
    let url = format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{}/main", sentinel.port());
    let store = Redis::connect(Settings::new(url, shards())).await.unwrap();
    let kept = put(&store, "kept", "x").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(store.uptime().await.unwrap() >= 1000);
    let failed = Instant::now();
    first.stop();
    eventually(async || store.ping().await.ok()).await;
    assert_eq!(read(&store, "kept").await.unwrap().version, kept.seq);
    // The new master has run for long, and serves only since now.
    let served = Duration::from_millis(store.uptime().await.unwrap());
    assert!(served <= failed.elapsed(), "{served:?} of {:?}", failed.elapsed());
    assert_eq!(second.tell("HLEN stacksnap:{s01}:records").await.unwrap(), ":1");
    let later = put(&store, "later", "x").await.unwrap();
    assert!(later.seq > kept.seq);
}

#[test]
fn it_does_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Nothing is killed here: it need not wait for the disk.
    let server = runtime.block_on(RedisServer::start_with(&[("appendfsync", "everysec")]));
    crate::store::contract::random::side_by_side(32, async |case| {
        let prefix = format!("case{case}");
        Redis::connect(Settings { prefix, allow_unsafe: true, ..settings(&server) }).await.unwrap()
    });
}
