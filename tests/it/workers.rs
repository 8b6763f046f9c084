//! An API and workers on RabbitMQ and Redis: workers are killed and paused, the broker and the store go away.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;
use stacksnap_worker::drivers::directory::sample;

use crate::support::app::App;

const SIZE: sample::Size = sample::Size { entries: 200, largest: 100_000 };

/// A tree whose copy takes a while: `megabytes` that neither compress nor are those of a tree of another name.
pub fn large(tree: &Path, megabytes: usize) {
    std::fs::create_dir_all(tree).unwrap();
    let name = tree.file_name().unwrap().as_encoded_bytes();
    let mut state = name.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| state.rotate_left(8) ^ u64::from(*byte));
    for number in 0..megabytes {
        let mut bytes = Vec::with_capacity(1 << 20);
        while bytes.len() < 1 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        std::fs::File::create(tree.join(format!("f{number}"))).unwrap().write_all(&bytes).unwrap();
    }
}

/// A first snapshot makes the vault and the queues: RabbitMQ 3.10 loses a quorum queue for good if it is killed within a
/// moment of its declaration, and a worker that is paused while it makes a vault keeps others from making it.
pub async fn warm(app: &App) {
    let tree = app.root().join("warm");
    std::fs::create_dir(&tree).unwrap();
    let stack = app.stack("warm", &tree).await;
    app.snapshot(&stack, "warm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_copy_and_in_restore_is_followed_by_another() {
    let mut app = App::distributed(2, &[]).await;
    let tree = app.root().join("tree");
    large(&tree, 150);
    let before = sample::manifest(&tree).unwrap();
    let stack = app.stack("s", &tree).await;
    let (made, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    killed(&mut app, &operation, "copy").await;
    app.add_worker(&[]);

    let id = made["id"].as_str().unwrap();
    for number in 0..150 {
        std::fs::write(tree.join(format!("f{number}")), "damaged").unwrap();
    }
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots/{id}/restore"), None).await;
    killed(&mut app, &operation, "restore").await;
    assert_eq!(sample::compare(&before, &tree).unwrap(), []);
}

/// Kills the worker that runs the verb; another one has it within 15 s and brings it to its end.
async fn killed(app: &mut App, operation: &str, verb: &str) {
    let worker = app.running(operation, verb).await;
    let number = app.worker_named(&worker);
    app.workers[number].kill();
    let at = Instant::now();
    app.until("another worker has the step", async |app| {
        let op = app.get(&format!("/operations/{operation}")).await["operation"].clone();
        let other = |step: &serde_json::Value| {
            step["verb"] == verb && step["worker"].as_str().is_some_and(|other| other != worker)
        };
        op["state"] == "complete" || op["steps"].as_array().unwrap().iter().any(other)
    })
    .await;
    assert!(at.elapsed() < Duration::from_secs(15), "taken over after {:?}", at.elapsed());
    app.completes(operation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_up_beside_its_successor_does_no_harm() {
    let mut app = App::distributed(2, &[]).await;
    let tree = app.root().join("tree");
    large(&tree, 120);
    let before = sample::manifest(&tree).unwrap();
    warm(&app).await;
    let stack = app.stack("s", &tree).await;
    let (made, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    let worker = app.running(&operation, "copy").await;
    let number = app.worker_named(&worker);
    app.workers[number].signal(Signal::STOP);
    let ended = app.completes(&operation).await;
    let copy = ended["steps"].as_array().unwrap().iter().find(|step| step["type"] == "Stacksnap::Directory").unwrap();
    assert!(copy["fence"].as_u64().unwrap() > 1, "{copy}");
    app.workers[number].signal(Signal::CONT);
    let id = made["id"].as_str().unwrap();
    app.until("the first self has seen that it lost the step", async |app| {
        app.log().contains("another worker has the step")
    })
    .await;
    std::fs::remove_file(tree.join("f7")).unwrap();
    app.restore(&stack, id).await;
    assert_eq!(sample::compare(&before, &tree).unwrap(), []);
    for worker in &mut app.workers {
        assert!(worker.stop().await, "{} ended badly", worker.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_goes_away_and_requests_are_accepted_and_run_later() {
    let mut app = App::distributed(1, &[]).await;
    let tree = app.root().join("tree");
    std::fs::create_dir(&tree).unwrap();
    sample::build(&tree, 11, SIZE).unwrap();
    let stack = app.stack("s", &tree).await;
    app.snapshot(&stack, "before").await;
    app.rabbit.as_ref().unwrap().flush().await;
    app.rabbit.as_mut().unwrap().stop();
    let (made, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    assert_eq!(made["status"], "IN_PROGRESS");
    app.until("readiness says that the queue is away, and that requests are accepted", async |app| {
        let ready = reqwest::get(format!("{}/readyz", app.url)).await.unwrap();
        ready.status() == 200 && ready.text().await.unwrap().contains("away")
    })
    .await;
    app.rabbit.as_mut().unwrap().start_again().await;
    app.completes(&operation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_goes_away_and_a_running_copy_goes_on() {
    let mut app = App::distributed(1, &[]).await;
    let tree = app.root().join("tree");
    large(&tree, 150);
    let stack = app.stack("s", &tree).await;
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    app.running(&operation, "copy").await;
    app.redis.as_mut().unwrap().stop();
    let at = Instant::now();
    let (status, _, fault) = app.send(Method::GET, "/stacks", None).await;
    assert!(at.elapsed() < Duration::from_secs(2), "answered after {:?}", at.elapsed());
    assert_eq!((status, &fault["code"]), (503, &json!(503)), "{fault}");
    assert!(fault["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{fault}");
    let at = Instant::now();
    let body = Some(json!({ "name": "x" }));
    let (status, ..) = app.send(Method::POST, &format!("{stack}/snapshots"), body).await;
    assert!(status == 503 && at.elapsed() < Duration::from_secs(2), "{status} after {:?}", at.elapsed());
    app.redis.as_mut().unwrap().start_again().await;
    let ended = app.completes(&operation).await;
    let copy = ended["steps"].as_array().unwrap().iter().find(|step| step["type"] == "Stacksnap::Directory").unwrap();
    assert_eq!(copy["fence"], 1, "the copy was thrown away: {copy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_holds_nothing_that_another_could_do() {
    let mut app = App::distributed(1, &["--slots", "1"]).await;
    let (slow, quick) = (app.root().join("slow"), app.root().join("quick"));
    large(&slow, 200);
    std::fs::create_dir(&quick).unwrap();
    sample::build(&quick, 13, SIZE).unwrap();
    let slow = app.stack("slow", &slow).await;
    let quick = app.stack("quick", &quick).await;
    let (_, long) = app.change(Method::POST, &format!("{slow}/snapshots"), Some(json!({}))).await;
    let busy = app.running(&long, "copy").await;
    app.add_worker(&["--slots", "1"]);
    let (_, short) = app.change(Method::POST, &format!("{quick}/snapshots"), Some(json!({}))).await;
    app.completes(&short).await;
    let op = app.get(&format!("/operations/{long}")).await["operation"].clone();
    let still = op["steps"].as_array().unwrap().iter().any(|step| step["verb"] == "copy" && step["worker"] == *busy);
    assert!(still, "the long copy was over before the short one: nothing was shown: {op}");
    app.completes(&long).await;
}
