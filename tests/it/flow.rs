//! The main job through HTTP alone, on the embedded default: create, snapshot, damage, restore, from two snapshots.

use reqwest::Method;
use serde_json::json;
use stacksnap_worker::drivers::directory::sample;

use crate::support::app::App;

const SIZE: sample::Size = sample::Size { entries: 300, largest: 200_000 };

#[tokio::test(flavor = "multi_thread")]
async fn two_snapshots_are_taken_and_each_is_restored_exactly() {
    let app = App::embedded().await;
    let tree = app.root().join("tree");
    std::fs::create_dir(&tree).unwrap();
    sample::build(&tree, 1, SIZE).unwrap();
    let stack = app.stack("s", &tree).await;
    let first = sample::manifest(&tree).unwrap();
    let one = app.snapshot(&stack, "one").await;
    sample::damage(&tree, 2).unwrap();
    let second = sample::manifest(&tree).unwrap();
    let two = app.snapshot(&stack, "two").await;
    sample::damage(&tree, 3).unwrap();

    app.restore(&stack, &one).await;
    assert_eq!(sample::compare(&first, &tree).unwrap(), []);
    app.restore(&stack, &two).await;
    assert_eq!(sample::compare(&second, &tree).unwrap(), []);
    // A second restore of the same snapshot really restores again.
    sample::damage(&tree, 4).unwrap();
    app.restore(&stack, &two).await;
    assert_eq!(sample::compare(&second, &tree).unwrap(), []);

    let list = app.get(&format!("{stack}/snapshots")).await;
    let names: Vec<_> = list["snapshots"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["one", "two"], "safety snapshots are hidden");
    let shown = app.get(&stack).await;
    assert_eq!(shown["stack"]["stack_status"], "RESTORE_COMPLETE");

    let (_, deleted) = app.change(Method::DELETE, &format!("{stack}/snapshots/{one}"), None).await;
    app.completes(&deleted).await;
    let (status, ..) = app.send(Method::GET, &format!("{stack}/snapshots/{one}"), None).await;
    assert_eq!(status, 404);
    let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
    app.completes(&deleted).await;
    assert_eq!(sample::compare(&second, &tree).unwrap(), [], "what a stack names is not touched by its delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_a_restore_does_and_changes_nothing() {
    let app = App::embedded().await;
    let tree = app.root().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("kept"), "kept").unwrap();
    std::fs::write(tree.join("changed"), "before").unwrap();
    std::fs::write(tree.join("gone"), "gone").unwrap();
    let stack = app.stack("s", &tree).await;
    let id = app.snapshot(&stack, "one").await;
    std::fs::write(tree.join("changed"), "after!").unwrap();
    std::fs::remove_file(tree.join("gone")).unwrap();
    std::fs::write(tree.join("extra"), "extra").unwrap();
    let before = sample::manifest(&tree).unwrap();
    let (_, planned) = app.change(Method::POST, &format!("{stack}/snapshots/{id}/plan"), None).await;
    let ended = app.completes(&planned).await;
    let plan = &ended["plan"]["resources"]["data"];
    // Overwritten: the file, and the directory's own time.
    assert_eq!((&plan["creates"], &plan["overwrites"], &plan["removes"]), (&json!(1), &json!(2), &json!(1)), "{plan}");
    assert_eq!(sample::compare(&before, &tree).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_killed_in_the_middle_goes_on_where_it_was() {
    const FILES: usize = 100;
    let mut app = App::embedded().await;
    let tree = app.root().join("tree");
    super::workers::large(&tree, FILES);
    sample::build(&tree, 5, SIZE).unwrap();
    let stack = app.stack("s", &tree).await;
    let before = sample::manifest(&tree).unwrap();
    let (made, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    let data = app.dir.path().join("data/vault/default/data");
    app.until("bytes are in the vault", async |_| packs(&data) > 0).await;
    killed_and_started(&mut app, &operation).await;

    sample::damage(&tree, 6).unwrap();
    for number in 0..FILES {
        let file = tree.join(format!("f{number}"));
        let _ = std::fs::remove_file(&file);
        let _ = std::fs::remove_dir_all(&file);
        std::fs::write(file, "damaged").unwrap();
    }
    let id = made["id"].as_str().unwrap();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots/{id}/restore"), None).await;
    let restored =
        || (0..FILES).filter(|n| std::fs::metadata(tree.join(format!("f{n}"))).is_ok_and(|m| m.len() > 7)).count();
    app.until("some files are restored", async |_| restored() > 2).await;
    killed_and_started(&mut app, &operation).await;
    assert_eq!(sample::compare(&before, &tree).unwrap(), []);
    assert!(app.api.stop().await);
}

/// SIGKILL while the operation runs; the next process brings it to its end.
async fn killed_and_started(app: &mut App, operation: &str) {
    app.api.kill();
    app.start_again().await;
    let op = app.get(&format!("/operations/{operation}")).await["operation"].clone();
    assert_eq!(op["state"], "running", "it was over before the kill: nothing is shown: {op:#}");
    app.completes(operation).await;
}

/// A copy that ends in time ends; one that does not is given back, and goes on in the next process.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_a_copy_end_or_hands_it_back() {
    for (shutdown, fence) in [("60s", 1), ("50ms", 2)] {
        let mut app = App::embedded_with(&format!("[worker]\nshutdown = '{shutdown}'\n")).await;
        let tree = app.root().join("tree");
        super::workers::large(&tree, 150);
        let stack = app.stack("s", &tree).await;
        let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
        let data = app.dir.path().join("data/vault/default/data");
        app.until("bytes are in the vault", async |_| packs(&data) > 0).await;
        assert!(app.api.stop().await, "{}", app.log());
        app.start_again().await;
        let ended = app.completes(&operation).await;
        let copy = ended["steps"].as_array().unwrap().iter().find(|step| step["resource"] == "data").unwrap();
        assert_eq!((&copy["fence"], &copy["attempt"]), (&json!(fence), &json!(0)), "shutdown {shutdown}: {copy}");
    }
}

/// How many packs there are below a vault's `data`.
fn packs(data: &std::path::Path) -> usize {
    let inside =
        |dir: &std::path::Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    inside(data).flat_map(|dir| inside(&dir).collect::<Vec<_>>()).filter(|path| path.is_file()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_is_said_and_nothing_is_done() {
    let app = App::embedded().await;
    let outside = tempfile::tempdir().unwrap();
    let body = json!({ "stack_name": "s", "template": { "heat_template_version": "2018-08-31", "resources": {
        "data": { "type": "Stacksnap::Directory", "external_id": outside.path() } } } });
    let (_, operation) = app.change(Method::POST, "/stacks", Some(body)).await;
    let ended = app.ended(&operation).await;
    assert_eq!(ended["state"], "failed");
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.contains("resources.data") && reason.contains("--directory-root"), "{reason}");
    let shown = app.get("/stacks").await;
    assert_eq!(shown["stacks"][0]["stack_status"], "CREATE_FAILED");
}
