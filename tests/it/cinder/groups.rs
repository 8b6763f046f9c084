//! Volumes of one group, end to end: cut at once, whatever happens to the worker meanwhile.

use reqwest::Method;
use serde_json::json;

use super::{Cloud, two};
use crate::support::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_cut_at_once_and_again_before_it_is_restored() {
    for mode in ["snapshot", "snapshot+backup"] {
        let cloud = Cloud::start().await;
        let (first, second) = (cloud.volume("one"), cloud.volume("two"));
        cloud.cinder.group("demo-id", &[&first, &second]);
        let app = App::embedded_with(&cloud.config(&format!("mode = {mode:?}"))).await;
        let stack = app.stack_of("s", two(&first, &second)).await;
        let snapshot = app.snapshot(&stack, "good").await;
        let asked = cloud.cinder.asked();
        let count = |what: &str| asked.iter().filter(|it| it.method == "POST" && it.path.ends_with(what)).count();
        assert_eq!((count("/group_snapshots"), count("/snapshots")), (1, 0), "{mode}");
        let taken = cloud.cinder.group_snapshots().len();
        assert_eq!(taken, usize::from(mode == "snapshot"), "{mode}: backups need none any more");

        cloud.cinder.write(&first, b"damage");
        cloud.cinder.write(&second, b"damage");
        app.restore(&stack, &snapshot).await;
        assert_eq!((cloud.content(&first), cloud.content(&second)), ("one".to_owned(), "two".to_owned()), "{mode}");
        // The safety snapshot is of both at once too.
        assert_eq!(cloud.cinder.group_snapshots().len(), 2 * taken, "{mode}");
        assert_eq!(cloud.cinder.snapshots().len(), 4 * taken, "{mode}");

        let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
        app.completes(&deleted).await;
        let left = (cloud.cinder.backups().len(), cloud.cinder.snapshots().len(), cloud.cinder.group_snapshots().len());
        assert_eq!(left, (0, 0, 0), "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_a_group_is_cut_leaves_one_snapshot_of_it() {
    let cloud = Cloud::start().await;
    let (first, second) = (cloud.volume("one"), cloud.volume("two"));
    cloud.cinder.group("demo-id", &[&first, &second]);
    let mut app = App::embedded_with(&cloud.config("mode = \"snapshot\"")).await;
    let stack = app.stack_of("s", two(&first, &second)).await;
    cloud.cinder.hold();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    app.until("it is being taken", async |_| cloud.cinder.group_snapshots().len() == 1).await;
    app.api.kill();
    app.start_again().await;
    cloud.cinder.release();
    app.completes(&operation).await;
    assert_eq!((cloud.cinder.group_snapshots().len(), cloud.cinder.snapshots().len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_cancelled_while_a_group_is_cut_leaves_none() {
    let cloud = Cloud::start().await;
    let (first, second) = (cloud.volume("one"), cloud.volume("two"));
    cloud.cinder.group("demo-id", &[&first, &second]);
    let app = App::embedded_with(&cloud.config("mode = \"snapshot+backup\"")).await;
    let stack = app.stack_of("s", two(&first, &second)).await;
    cloud.cinder.hold();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    app.until("it is being taken", async |_| cloud.cinder.group_snapshots().len() == 1).await;
    app.change(Method::POST, &format!("/operations/{operation}/cancel"), None).await;
    cloud.cinder.release();
    assert_eq!(app.ended(&operation).await["state"], "cancelled");
    assert_eq!((cloud.cinder.group_snapshots().len(), cloud.cinder.snapshots().len()), (0, 0));
}

/// One of them was lost once and restored as another: the safety snapshot of the next restore is of what there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_cut_as_the_stack_has_it_now() {
    let cloud = Cloud::start().await;
    let (first, second) = (cloud.volume("one"), cloud.volume("two"));
    let app = App::embedded_with(&cloud.config("mode = \"snapshot+backup\"")).await;
    let stack = app.stack_of("s", two(&first, &second)).await;
    let snapshot = app.snapshot(&stack, "good").await;
    cloud.cinder.lose_volume(&second);
    app.restore(&stack, &snapshot).await;
    let all = cloud.cinder.volumes("demo-id");
    let new = all.iter().find(|it| **it != first).unwrap();
    assert_ne!(*new, second);

    cloud.cinder.group("demo-id", &[&first, new]);
    cloud.cinder.asked();
    app.restore(&stack, &snapshot).await;
    let asked = cloud.cinder.asked();
    let count = |what: &str| asked.iter().filter(|it| it.method == "POST" && it.path.ends_with(what)).count();
    assert_eq!((count("/group_snapshots"), count("/snapshots")), (1, 0));
    assert_eq!((cloud.cinder.group_snapshots().len(), cloud.cinder.snapshots().len()), (0, 0));
}
