//! The client against a service that behaves badly. What it does against a good one is tested with the real service.

use crate::support::awkward::{self, Awkward, OPERATION, STACK};
use crate::support::cli::{command, ended, run};

fn create(url: &str, wait: bool) -> crate::support::cli::Ran {
    let mut arguments = vec!["snapshot", "create", "web", "--url", url];
    arguments.extend(wait.then_some("--wait"));
    run(&arguments)
}

#[test]
fn a_change_is_sent_again_under_the_same_key_when_its_outcome_is_unknown() {
    let (url, seen) = awkward::start(Awkward { cut: 2, end: "complete", ..Awkward::default() });
    let ran = create(&url, false).exits(0);
    assert!(ran.stdout.contains(OPERATION), "{ran:?}");
    assert_eq!(seen.lock().unwrap().changes.values().collect::<Vec<_>>(), [&3], "not three times under one key");

    let (url, seen) = awkward::start(Awkward { cut: 100, ..Awkward::default() });
    create(&url, false).exits(5);
    assert_eq!(seen.lock().unwrap().changes.values().collect::<Vec<_>>(), [&3]);
}

#[test]
fn waiting_outlasts_a_service_that_is_away() {
    let (url, _) = awkward::start(Awkward { away: 3, end: "complete", ..Awkward::default() });
    let ran = create(&url, true).exits(0);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(lines[0].starts_with("waiting for the service: "), "{ran:?}");
    assert!(lines[0].ends_with("The store does not answer"), "what to do about it is being done: {ran:?}");
    assert!(lines.contains(&"data: copy begun"), "{ran:?}");
    assert_eq!(lines.last(), Some(&"snapshot complete: 1 of 1 steps"));
    assert_eq!(lines.len(), 4, "a change is one line: {ran:?}");
}

#[test]
fn a_failed_operation_is_exit_1_and_its_reason_one_harmless_line() {
    let (url, _) = awkward::start(Awkward { end: "failed", ..Awkward::default() });
    let ran = create(&url, true).exits(1);
    assert_eq!(ran.stderr.lines().last(), Some("stacksnap: snapshot failed: disk full [31m on vault"));
    let (url, _) = awkward::start(Awkward { end: "cancelled", ..Awkward::default() });
    create(&url, true).exits(1);
}

#[test]
fn every_kind_of_refusal_has_its_exit_status() {
    let (url, _) = awkward::start(Awkward { token: Some("right".to_owned()), ..Awkward::default() });
    let show = |stack: &str, token: &str| run(&["snapshot", "list", stack, "--url", &url, "--token", token]);
    show("web", "right").exits(0);
    show(STACK, "right").exits(0);
    let ran = show("web", "wrong").exits(4);
    assert!(ran.stderr.contains("--token or STACKSNAP_TOKEN") && !ran.stderr.contains("wrong"), "{ran:?}");
    let ran = show("none", "right").exits(3);
    assert_eq!(ran.stderr, "stacksnap: The Stack (none) could not be found.\n");
    show("broken", "right").exits(6);
    show("odd", "right").exits(6);
    run(&["operation", "show", "7", "--url", &url]).exits(3);
    run(&["snapshot", "show", "web", "three", "--url", &url, "--token", "right"]).exits(3);
    let ran = run(&["snapshot", "show", "web", "two", "--url", &url, "--token", "right"]).exits(2);
    assert!(ran.stderr.contains("00000002-") && ran.stderr.contains("00000003-"), "{ran:?}");
    run(&["snapshot", "list"]).exits(2);
    run(&["stack", "create", "x", "-t", "/nowhere.yaml", "--url", &url]).exits(2);
    run(&["stack", "list", "--url", "ftp://x"]).exits(2);
}

#[test]
fn nobody_there_is_exit_5_and_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = run(&["stack", "list", "--url", &format!("http://{free}")]).exits(5);
    assert!(ran.stderr.contains(&free.to_string()) && ran.stderr.contains("stacksnap serve"), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1);
}

#[test]
fn what_can_not_be_undone_is_not_done_unasked() {
    let (url, seen) = awkward::start(Awkward::default());
    let ran = run(&["snapshot", "delete", "web", "one", "--url", &url]).exits(2);
    assert!(ran.stderr.contains("--yes"), "{ran:?}");
    assert!(seen.lock().unwrap().changes.is_empty());
}

#[test]
fn the_service_comes_from_the_environment() {
    let (url, _) = awkward::start(Awkward { token: Some("right".to_owned()), ..Awkward::default() });
    let mut command = command(&["snapshot", "list", "web", "--json"]);
    command.env("STACKSNAP_URL", &url).env("STACKSNAP_TOKEN", "right").env("STACKSNAP_PROJECT", "alpha");
    let listed = ended(command.output().unwrap()).exits(0).json();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 3);
}
