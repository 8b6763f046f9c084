//! Who is next where many wait: restores before rows of copies, and one project's step beside another's thousand.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::App;

/// Directories of one small file, below `parent`.
fn directories(app: &App, parent: &str, count: usize) -> Vec<std::path::PathBuf> {
    let make = |number: usize| {
        let tree = app.root().join(parent).join(number.to_string());
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join("file"), number.to_string()).unwrap();
        tree
    };
    (0..count).map(make).collect()
}

/// How many of the operation's steps with this verb have been done.
async fn done(app: &App, operation: &str, verb: &str) -> usize {
    let op = app.get(&format!("/operations/{operation}")).await["operation"].clone();
    let is_done = |step: &&Value| step["verb"] == verb && step["state"] == "done";
    op["steps"].as_array().unwrap().iter().filter(is_done).count()
}

/// The verbs of the steps for bytes, in the order in which the workers ended them, from the log.
fn ended(app: &App, from: usize) -> Vec<String> {
    let log = app.log();
    let verb = |line: &str| Some(line.split("verb=\"").nth(1)?.split('"').next()?.to_owned());
    let bytes = |verb: &String| ["copy", "preview", "restore"].contains(&verb.as_str());
    log[from..].lines().filter(|line| line.contains("step ended")).filter_map(verb).filter(bytes).collect()
}

/// One slot for bytes. It is busy; behind it wait fifty snapshots, and then somebody restores.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_next_before_fifty_snapshots() {
    let app = App::distributed(1, &["--slots", "1"]).await;
    let trees = directories(&app, "many", 51);
    let mut stacks = Vec::new();
    for (number, tree) in trees.iter().enumerate() {
        stacks.push(app.stack(&format!("s{number}"), tree).await);
    }
    let wanted = stacks.pop().unwrap();
    let snapshot = app.snapshot(&wanted, "before").await;
    std::fs::write(trees[50].join("file"), "damaged").unwrap();
    let busy = app.root().join("busy");
    super::workers::large(&busy, 300);
    let busy = app.stack("busy", &busy).await;

    let from = app.log().len();
    let (_, long) = app.change(Method::POST, &format!("{busy}/snapshots"), Some(json!({}))).await;
    app.running(&long, "copy").await;
    let mut queued = Vec::new();
    for stack in &stacks {
        queued.push(app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await.1);
    }
    let (_, restore) = app.change(Method::POST, &format!("{wanted}/snapshots/{snapshot}/restore"), None).await;
    assert_eq!(done(&app, &long, "copy").await, 0, "the slot was free too early: nothing is shown");
    app.completes(&restore).await;
    let order = ended(&app, from);
    // The long copy first. Between two stages of the restore the slot is free for a moment: a copy may slip in.
    assert_eq!((order[0].as_str(), order[1].as_str()), ("copy", "preview"), "{order:?}");
    let copies = order.iter().take_while(|verb| *verb != "restore").filter(|verb| *verb == "copy").count();
    assert!(copies <= 6, "{copies} copies went before the restore was done: {order:?}");
    assert_eq!(std::fs::read_to_string(trees[50].join("file")).unwrap(), "50");
    for operation in queued {
        app.completes(&operation).await;
    }
}

/// Three slots, of which one is kept for restores: copies fill the others, and a restore waits for none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_runs_beside_long_copies() {
    let app = App::distributed(1, &["--slots", "3"]).await;
    let trees = directories(&app, "small", 1);
    let wanted = app.stack("wanted", &trees[0]).await;
    let snapshot = app.snapshot(&wanted, "before").await;
    // A copy that is over before the restore is shows nothing: then the copies are made longer.
    for megabytes in [150, 300, 600] {
        if restores_before_copies(&app, &wanted, &snapshot, megabytes).await {
            return;
        }
    }
    panic!("a copy was over before each restore");
}

/// Whether a restore was over while all of three copies were still to be done.
async fn restores_before_copies(app: &App, wanted: &str, snapshot: &str, megabytes: usize) -> bool {
    let mut long = Vec::new();
    for name in ["a", "b", "c"] {
        let tree = app.root().join(format!("{name}{megabytes}"));
        super::workers::large(&tree, megabytes);
        long.push(app.stack(&format!("{name}{megabytes}"), &tree).await);
    }
    let mut copying = Vec::new();
    for stack in &long {
        copying.push(app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await.1);
    }
    app.running(&copying[0], "copy").await;
    app.restore(wanted, snapshot).await;
    let mut over = 0;
    for operation in &copying {
        over += done(app, operation, "copy").await;
    }
    for operation in &copying {
        app.completes(operation).await;
    }
    over == 0
}

/// A thousand steps of one project are in the queue a window at a time: another's one step waits for no more than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_with_a_thousand_steps_delays_another_by_a_window() {
    const WINDOW: usize = 32;
    let mut app = App::distributed(1, &["--slots", "1"]).await;
    let trees = directories(&app, "thousand", 1000);
    let resources: serde_json::Map<String, Value> = (0..1000)
        .map(|n| (format!("r{n}"), json!({ "type": "Stacksnap::Directory", "external_id": trees[n] })))
        .collect();
    let big = app.stack_of("big", Value::Object(resources)).await;
    let single = directories(&app, "single", 1);
    app.project = "other".to_owned();
    let small = app.stack("small", &single[0]).await;

    app.project = "default".to_owned();
    let (_, thousand) = app.change(Method::POST, &format!("{big}/snapshots"), Some(json!({}))).await;
    app.until("some of the thousand are done", async |app| {
        done(app, &thousand, "seal").await + ended(app, 0).len() > 3
    })
    .await;
    app.project = "other".to_owned();
    let from = app.log().len();
    let (_, one) = app.change(Method::POST, &format!("{small}/snapshots"), Some(json!({}))).await;
    app.completes(&one).await;
    let before = ended(&app, from).len();
    // The window, its own copy, and what ended while the request and its answer were on their way.
    assert!(before <= WINDOW + 8, "{before} steps went before the other project's one");
    app.project = "default".to_owned();
    let still = app.get(&format!("/operations/{thousand}")).await["operation"]["state"].clone();
    assert_eq!(still, "running", "the thousand were over: nothing is shown");
    app.change(Method::POST, &format!("/operations/{thousand}/cancel"), None).await;
    app.ended(&thousand).await;
}
