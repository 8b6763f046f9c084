//! The queue on RabbitMQ keeps the laws of every queue, on a real broker, and what it does beyond them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ConnectionProperties};
use stacksnap_common::queue::contract::{consume, fresh_route, jobs, next, publish_all, soon, wait_connected};
use stacksnap_common::queue::{Error, Queue, Rabbit, Settled, rabbit};
use stacksnap_common::queue_contract;
use stacksnap_common::testing::rabbit::RabbitServer;
use tracing_subscriber::fmt::MakeWriter;

queue_contract!(async { connect().await as Arc<dyn Queue> });

/// Connected: the laws are about what a queue that is there does.
async fn connect() -> Arc<Rabbit> {
    let rabbit = connect_to(&RabbitServer::shared().await.url());
    let queue: Arc<dyn Queue> = rabbit.clone();
    wait_connected(&queue, true).await;
    rabbit
}

fn connect_to(url: &str) -> Arc<Rabbit> {
    Rabbit::connect(rabbit::Settings::new(url.to_owned().into())).unwrap()
}

/// A channel of somebody else's.
async fn by_hand() -> Channel {
    let url = RabbitServer::shared().await.url();
    let connection = lapin::Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
}

/// The consumer is told by the broker, declares the queue again and goes on; a publisher's message comes back, and it
/// does the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_deleted_is_declared_again() {
    let queue: Arc<dyn Queue> = connect().await;
    let by_hand = by_hand().await;
    let route = fresh_route();
    let sent = jobs(&route, 4);
    publish_all(&queue, &sent[..1]).await;
    let delete = || by_hand.queue_delete(route.to_string().as_str().into(), QueueDeleteOptions::default());

    delete().await.unwrap();
    publish_all(&queue, &sent[1..2]).await;
    let mut consumer = consume(&queue, &route, 1).await;
    let held = next(&mut consumer).await;
    assert_eq!(held.job, sent[1]);

    delete().await.unwrap();
    publish_all(&queue, &sent[2..3]).await;
    let second = next(&mut consumer).await;
    assert_eq!(second.job, sent[2]);
    assert_eq!(held.ack().await, Settled::No);
    assert_eq!(second.ack().await, Settled::Yes);

    // A consumer that declares only what it does not know to be there.
    soon("cancel", consumer.cancel()).await;
    delete().await.unwrap();
    let mut consumer = consume(&queue, &route, 1).await;
    publish_all(&queue, &sent[3..]).await;
    assert_eq!(next(&mut consumer).await.job, sent[3]);
}

/// Bytes and reason are kept for whoever looks; jobs behind them are not held up, even at prefetch 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_job_goes_to_the_dead_letter_queue() {
    let settings = rabbit::Settings {
        prefix: "letters".to_owned(),
        ..rabbit::Settings::new(RabbitServer::shared().await.url().into())
    };
    let queue: Arc<dyn Queue> = Rabbit::connect(settings).unwrap();
    wait_connected(&queue, true).await;
    let route = fresh_route();
    let name = format!("letters.{}.{}", route.pool, route.lane);
    let sent = jobs(&route, 2);
    publish_all(&queue, &sent[..1]).await;
    let by_hand = by_hand().await;
    let bodies: [&[u8]; 3] = [b"", b"\xff\x00 no job", br#"{"v": 7, "of": "the future"}"#];
    for body in bodies {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        by_hand.basic_publish("".into(), name.as_str().into(), options, body, properties).await.unwrap();
    }
    let mut consumer = consume(&queue, &route, 1).await;
    let first = next(&mut consumer).await;
    assert_eq!(first.job, sent[0]);
    first.ack().await;
    publish_all(&queue, &sent[1..]).await;
    assert_eq!(next(&mut consumer).await.job, sent[1]);
    for body in bodies {
        let letter = soon("a dead letter", async {
            loop {
                let got = by_hand.basic_get("letters.dead".into(), BasicGetOptions { no_ack: true }).await.unwrap();
                if let Some(letter) = got {
                    return letter;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(letter.data, body);
        let headers = letter.properties.headers().clone().unwrap();
        let header = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(header("x-stacksnap-queue"), name);
        let reason = header("x-stacksnap-reason");
        assert!(reason.contains(if body.starts_with(b"{") { "version 7" } else { "not a job" }), "{reason}");
    }
}

/// Somebody made a queue of that name, of another kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_declared_otherwise_is_refused() {
    let queue: Arc<dyn Queue> = connect().await;
    let route = fresh_route();
    let by_hand = by_hand().await;
    let (options, arguments) = (QueueDeclareOptions { durable: true, ..Default::default() }, FieldTable::default());
    by_hand.queue_declare(route.to_string().as_str().into(), options, arguments).await.unwrap();
    let refused = soon("consume", queue.consume(&route, 1)).await;
    assert!(matches!(refused.err(), Some(Error::Refused(_))));
    // Others are not disturbed.
    let other = fresh_route();
    publish_all(&queue, &jobs(&other, 1)).await;
    next(&mut consume(&queue, &other, 1).await).await.ack().await;
    // Nor is a consumer for ever: once the obstacle is gone, it can consume.
    by_hand.queue_delete(route.to_string().as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let mut consumer = consume(&queue, &route, 1).await;
    publish_all(&queue, &jobs(&route, 1)).await;
    next(&mut consumer).await.ack().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_passes_where_all_is_well() {
    soon("check", connect().await.check()).await.unwrap();
}

/// Wrong password, no such vhost, a vhost that is not ours, no right to declare: refused, and said so at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_refuses_us_says_so() {
    let server = RabbitServer::shared().await;
    server.ctl(&["add_user", "reader", "secret-of-reader"]).await;
    server.ctl(&["add_vhost", "closed"]).await;
    server.ctl(&["set_permissions", "reader", "^$", "^$", ".*"]).await;
    let urls = [
        server.url_of("guest", "wrong-password", "%2f"),
        server.url_of("nobody", "wrong-password", "%2f"),
        server.url_of("guest", "guest", "no-such-vhost"),
        server.url_of("reader", "secret-of-reader", "closed"),
        server.url_of("reader", "secret-of-reader", "%2f"),
    ];
    for (index, url) in urls.iter().enumerate() {
        let rabbit = connect_to(url);
        let started = Instant::now();
        let checked = soon("check", rabbit.check()).await;
        assert!(matches!(&checked, Err(Error::Refused(_))), "{index}: {checked:?}");
        let queue: Arc<dyn Queue> = rabbit;
        let published = soon("publish", queue.publish(&jobs(&fresh_route(), 1)[0])).await;
        assert!(matches!(&published, Err(Error::Refused(_))), "{index}: {published:?}");
        assert!(started.elapsed() < Duration::from_secs(9), "{index}: {:?}", started.elapsed());
        for error in [checked.unwrap_err(), published.unwrap_err()] {
            assert!(!error.to_string().contains("secret") && !error.to_string().contains("wrong-pass"), "{error}");
        }
    }
}

#[tokio::test]
async fn settings_that_can_not_work_are_refused() {
    for url in [
        "",
        "localhost",
        "guest:hunter2@localhost",
        "redis://user:hunter2@localhost",
        "amqp://user:hunter2@localhost:99999",
        "amqp://user:hunter2@localhost/%ff",
        "amqp:hunter2",
        "amqp://user:hunter2@localhost?heartbeat=hunter2",
    ] {
        let error = Rabbit::connect(rabbit::Settings::new(url.to_owned().into())).err().expect(url);
        assert!(matches!(&error, Error::Refused(_)) && !error.to_string().contains("hunter2"), "{url}: {error}");
    }
    for prefix in ["", "white space", "a/b", &"long".repeat(17)] {
        let settings = rabbit::Settings { prefix: prefix.to_owned(), ..settings_of_nobody() };
        assert!(matches!(Rabbit::connect(settings).err(), Some(Error::Refused(_))), "{prefix:?}");
    }
}

fn settings_of_nobody() -> rabbit::Settings {
    rabbit::Settings::new("amqp://user:hunter2@127.0.0.1:1".to_owned().into())
}

/// The default vhost, whether the URL ends in a slash or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_without_a_vhost_means_the_default_one() {
    let port = RabbitServer::shared().await.port();
    for tail in ["", "/", "/%2f", "/%2F?heartbeat=5"] {
        soon("check", connect_to(&format!("amqp://guest:guest@127.0.0.1:{port}{tail}")).check()).await.expect(tail);
    }
}

#[tokio::test]
async fn an_ipv6_address_is_not_taken_for_localhost() {
    let port = RabbitServer::shared().await.port();
    // The broker listens on 127.0.0.1 only, so localhost would reach it.
    let checked = soon("check", connect_to(&format!("amqp://guest:guest@[::1]:{port}/%2f")).check()).await;
    assert!(matches!(&checked, Err(Error::Unavailable(_))), "{checked:?}");
}

/// Neither what we log about a connection nor what lapin logs at its usual levels has the password.
#[tokio::test]
async fn the_password_is_not_logged() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(log.clone()).finish();
    // For this thread only; its runtime has no other, apart from lapin's, which take no subscriber but the global one.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = RabbitServer::shared().await;
    let refused = connect_to(&server.url_of("guest", "a-wrong-secret", "%2f"));
    let away = Rabbit::connect(settings_of_nobody()).unwrap();
    for queue in [refused as Arc<dyn Queue>, away] {
        soon("publish", queue.publish(&jobs(&fresh_route(), 1)[0])).await.unwrap_err();
    }
    let queue: Arc<dyn Queue> = connect_to(&server.url_of("guest", "guest", "%2f"));
    wait_connected(&queue, true).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("refuses us") && text.contains("can't be reached") && text.contains("connected to"),
        "{text}"
    );
    assert!(!text.contains("a-wrong-secret") && !text.contains("hunter2"), "{text}");
    assert!(!format!("{:?}", settings_of_nobody()).contains("hunter2"));
}
