//! `config check` and `config default`, as an operator runs them.

use std::fs;

use stacksnap_openstack::fake;

use crate::support::cli::{command, ended, run};

#[test]
fn the_default_can_be_saved_and_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stacksnap.toml");
    fs::write(&file, run(&["config", "default"]).exits(0).stdout).unwrap();
    let mut check = command(&["config", "check", "--config", file.to_str().unwrap()]);
    let ran = ended(check.current_dir(&directory).output().unwrap()).exits(0);
    assert!(ran.stdout.contains("data_dir: is made at the first start"), "{ran:?}");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "config check must write nothing");
}

#[test]
fn what_is_named_is_tried_and_everything_wrong_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stacksnap.toml");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!(
        "redis = 'redis://:s3cret@127.0.0.1:{closed}'\namqp = 'amqp://guest:s3cret@127.0.0.1:{closed}'\n\
         auth = '/nowhere/tokens'\ndirectory_root = ['/nowhere/root']\n[vault]\npath = '/proc/1/vault'\nmaster_key_file = '/nowhere/key'\n\
         [postgresql.main]\nuser = 'me'\npassword = 's3cret'\nport = {closed}\n"
    );
    fs::write(&file, text).unwrap();
    let mut check = command(&["config", "check", "--config", file.to_str().unwrap()]);
    let ran = ended(check.current_dir(&directory).output().unwrap()).exits(1);
    let wrong: Vec<&str> =
        ran.stdout.lines().filter_map(|line| line.split_once(": WRONG: ").map(|(key, _)| key)).collect();
    assert_eq!(
        wrong,
        [
            "auth",
            "directory_root /nowhere/root",
            "vault.path",
            "vault.master_key_file",
            "redis",
            "amqp",
            "postgresql.main"
        ],
        "{ran:?}"
    );
    assert!(ran.stderr.contains("7 things are wrong"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("s3cret"));
}

/// A file that is there and is none of what it should be.
#[test]
fn a_file_is_read_as_the_service_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let (file, other) = (directory.path().join("stacksnap.toml"), directory.path().join("other"));
    fs::write(&other, "neither tokens nor a key\n").unwrap();
    fs::write(&file, format!("auth = {other:?}\n[vault]\nmaster_key_file = {other:?}\n")).unwrap();
    let mut check = command(&["config", "check", "--config", file.to_str().unwrap()]);
    let ran = ended(check.current_dir(&directory).output().unwrap()).exits(1);
    for wrong in ["auth: WRONG: ", "line 1", "vault.master_key_file: WRONG: "] {
        assert!(ran.stdout.contains(wrong), "{ran:?}");
    }
}

/// The service user logs in, and must be one who may ask about others' tokens.
#[tokio::test]
async fn keystone_is_tried_and_so_is_the_policy_file() {
    let cloud = fake::Keystone::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (file, policy) = (directory.path().join("stacksnap.toml"), directory.path().join("policy.yaml"));
    let check = |password: &str, rules: &str| {
        fs::write(&policy, rules).unwrap();
        let text = format!(
            "auth = 'keystone'\n[policy]\nfile = '{}'\n[keystone]\nauth_url = '{}'\npassword = '{password}'\n",
            policy.display(),
            cloud.url()
        );
        fs::write(&file, text).unwrap();
        let mut check = command(&["config", "check", "--config", file.to_str().unwrap()]);
        check.current_dir(&directory);
        tokio::task::spawn_blocking(move || ended(check.output().unwrap()))
    };
    let ran = check("secret-of-stacksnap", "\"stacks:snapshot\": \"role:operator\"").await.unwrap().exits(0);
    assert!(ran.stdout.contains(&format!("keystone: ok, {} as stacksnap", cloud.url())), "{ran:?}");
    assert!(ran.stdout.contains("policy.file: ok"), "{ran:?}");
    let ran = check("s3cret", "\"stacks:snapshoot\": \"@\"").await.unwrap().exits(1);
    assert!(ran.stdout.contains("keystone: WRONG: POST") && ran.stdout.contains("401"), "{ran:?}");
    assert!(ran.stdout.contains("stacks:snapshoot: there is no such rule"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("s3cret"));
    cloud.grant("stacksnap", "service", &["reader"]);
    let ran = check("secret-of-stacksnap", "").await.unwrap().exits(1);
    assert!(ran.stdout.contains("may not validate tokens"), "{ran:?}");
}

#[test]
fn a_mistake_in_the_environment_or_a_flag_is_a_usage_error() {
    let mut check = command(&["config", "check"]);
    let ran = ended(check.env("STACKSNAP_LISTN", "x").output().unwrap()).exits(2);
    assert!(ran.stderr.ends_with("did you mean STACKSNAP_LISTEN?\n"), "{ran:?}");
    let ran = run(&["config", "check", "--listen", "0.0.0.0:8004"]).exits(2);
    assert!(ran.stderr.contains("only a loopback address"), "{ran:?}");
    let ran = run(&["config", "check", "--slots", "lots"]).exits(2);
    assert_eq!(ran.stderr, "stacksnap: flag --slots: slots: is string \"lots\", not an integer\n");
}

#[test]
fn a_serve_that_can_not_begin_says_what_is_wrong_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let data = directory.path().join("data").display().to_string();
    let ran = run(&["serve", "--listen", &port, "--data-dir", &data]).exits(2);
    assert!(ran.stderr.contains(&format!("can't listen to {port} (")), "{ran:?}");

    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("data").display().to_string();
    let ran = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &below]).exits(2);
    assert!(ran.stderr.contains(&format!("data_dir {below} can't be made")), "{ran:?}");
}
