//! `config check` and `config default`, as an operator runs them.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use stacksnap_common::testing::redis::RedisServer;
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
        "auth = '/nowhere/tokens'\ndirectory_root = ['/nowhere/root']\n[vault]\nmaster_key_file = '/nowhere/key'\n\
         [postgresql.main]\nuser = 'me'\npassword = 's3cret'\nport = {closed}\n"
    );
    fs::write(&file, text).unwrap();
    let mut check = command(&["config", "check", "--config", file.to_str().unwrap()]);
    let ran = ended(check.current_dir(&directory).output().unwrap()).exits(1);
    let wrong: Vec<&str> =
        ran.stdout.lines().filter_map(|line| line.split_once(": WRONG: ").map(|(key, _)| key)).collect();
    assert_eq!(wrong, ["auth", "directory_root /nowhere/root", "vault.master_key_file", "postgresql.main"], "{ran:?}");
    assert!(ran.stderr.contains("4 things are wrong"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("s3cret"));
}

/// With a store elsewhere the master key is still kept there.
#[tokio::test]
async fn serve_makes_its_data_directory_beside_redis_too() {
    let redis = RedisServer::start().await;
    let directory = tempfile::tempdir().unwrap();
    let mut serve = command(&["serve", "--data-dir", "new/data", "--listen", "127.0.0.1:0", "--redis", &redis.url()]);
    let mut serve = serve.current_dir(&directory).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    while !directory.path().join("new/data/master.key").exists() {
        assert_eq!(serve.try_wait().unwrap(), None, "it ended");
        assert!(Instant::now() < until, "there is no key");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    serve.kill().unwrap();
    serve.wait().unwrap();
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
