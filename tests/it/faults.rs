//! What is wrong outside: each is one line that says what to do, nothing is half done, and all is well when it is mended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::Value;
use stacksnap_worker::drivers::directory::sample;

use crate::support::app::App;
use crate::support::cli::Ran;
use crate::support::postgres::Postgres;
use crate::support::serve::Serve;

fn of_directory(tree: &Path) -> String {
    format!("  tree:\n    type: Stacksnap::Directory\n    external_id: {}", tree.display())
}

/// A service with the stack `web`, of a tree of some megabytes that don't compress.
pub fn with_tree(user: Option<u32>) -> (Serve, PathBuf) {
    tree_of("", user)
}

fn tree_of(config: &str, user: Option<u32>) -> (Serve, PathBuf) {
    let serve = Serve::start_with(config, user);
    let tree = serve.root().join("tree");
    super::workers::large(&tree, 12);
    serve.stack("web", &of_directory(&tree)).exits(0);
    (serve, tree)
}

/// The last line of a command that failed, which says why.
pub fn says(ran: Ran, words: &[&str]) {
    let ran = ran.exits(1);
    let line = ran.stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("stacksnap: "), "{ran:?}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line:?}");
    }
}

pub fn snapshot(serve: &Serve, name: &str) -> Ran {
    serve.client(&["snapshot", "create", "web", "--name", name, "--wait"])
}

pub fn restore(serve: &Serve, name: &str) -> Ran {
    serve.client(&["snapshot", "restore", "web", name, "--wait"])
}

#[test]
fn a_full_vault_fails_a_snapshot_and_with_room_the_next_is_taken() {
    let (serve, tree) = with_tree(None);
    let vault = serve.data().join("vault");
    // Its disk is the vault's only with the marker that the service has made at its start.
    let marker = fs::read(vault.join("@stacksnap-vault")).unwrap();
    let Some(_small) = Mount::new("size=5m", &vault) else { return };
    fs::write(vault.join("@stacksnap-vault"), marker).unwrap();
    says(snapshot(&serve, "one"), &["resources.tree", "the vault is full", "free or add space"]);
    let listed = serve.client(&["snapshot", "list", "web", "--json"]).exits(0).json();
    assert_eq!(listed["snapshots"][0]["status"], "FAILED", "{listed}");
    assert_eq!(serve.operator(&["orphans", "--older-than", "0s"]).exits(0).stdout, "");

    let larger = Command::new("mount").args(["-o", "remount,size=100m"]).arg(&vault).status().unwrap();
    assert!(larger.success());
    let was = sample::manifest(&tree).unwrap();
    snapshot(&serve, "two").exits(0);
    fs::write(tree.join("f3"), "damaged").unwrap();
    restore(&serve, "two").exits(0);
    assert_eq!(sample::compare(&was, &tree).unwrap(), []);
    serve.client(&["snapshot", "delete", "web", "one", "--yes", "--wait"]).exits(0);
}

/// A disk that is not mounted, and another one in its place: nothing goes there, until an operator says that it is the
/// store's from now on.
/// Each thing that has something to lose waits; that it does is seen by runs that are no attempts.
#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_away_for_a_while_is_waited_for() {
    let app = App::embedded_with("[worker]\nattempts = 2\n").await;
    let tree = app.root().join("tree");
    super::workers::large(&tree, 4);
    let stack = app.stack("s", &tree).await;
    let id = app.snapshot(&stack, "one").await;
    let vault = app.dir.path().join("data/vault");
    for (method, path) in [
        (Method::POST, format!("{stack}/snapshots")),
        (Method::POST, format!("{stack}/snapshots/{id}/verify")),
        (Method::DELETE, format!("{stack}/snapshots/{id}")),
    ] {
        fs::rename(&vault, vault.with_file_name("away")).unwrap();
        let (_, operation) = app.change(method, &path, None).await;
        app.until("it has been tried more often than it may fail", async |app| {
            let operation = app.get(&format!("/operations/{operation}")).await["operation"].clone();
            assert_eq!(operation["state"], "running", "{path}: {operation:#}");
            let steps = operation["steps"].as_array().unwrap().clone();
            let waits = |it: &Value| {
                let says = it["reason"].as_str().is_some_and(|why| why.contains("is its disk mounted?"));
                it["fence"].as_u64() > Some(4) && it["attempt"] == 0 && says
            };
            steps.iter().any(waits)
        })
        .await;
        fs::rename(vault.with_file_name("away"), &vault).unwrap();
        app.completes(&operation).await;
    }
}

#[test]
fn only_the_vault_that_the_snapshots_are_in_is_the_stores() {
    let (mut serve, tree) = tree_of("[worker]\noutage = \"0s\"\n", None);
    snapshot(&serve, "one").exits(0);
    let vault = serve.data().join("vault");
    let at_start = |serve: &mut Serve, change: &dyn Fn()| {
        serve.stop();
        change();
        serve.resume();
    };
    at_start(&mut serve, &|| {
        fs::rename(&vault, vault.with_file_name("away")).unwrap();
        fs::create_dir(&vault).unwrap();
    });
    says(snapshot(&serve, "nowhere"), &["@stacksnap-vault is not in", "is its disk mounted?"]);
    assert_eq!(fs::read_dir(&vault).unwrap().count(), 0, "nothing is made where the vault should be");
    let id = "8f0f6ad1-0bd4-4d7d-9b8e-0a4f4d1d6f10\n";
    at_start(&mut serve, &|| fs::write(vault.join("@stacksnap-vault"), id).unwrap());
    says(restore(&serve, "one"), &["is another vault", "stacksnap catalog rebuild"]);

    serve.operator(&["catalog", "rebuild"]).exits(0);
    snapshot(&serve, "two").exits(0);
    fs::write(tree.join("f3"), "damaged").unwrap();
    restore(&serve, "two").exits(0);
    assert_ne!(fs::read(tree.join("f3")).unwrap(), b"damaged");
}

#[test]
fn a_damaged_vault_fails_a_restore_which_says_what_it_did_and_did_not() {
    let (serve, tree) = with_tree(None);
    snapshot(&serve, "one").exits(0);
    let verify = || serve.client(&["snapshot", "verify", "web", "one"]);
    let found = verify().exits(0).stdout;
    assert!(found.lines().any(|line| line.starts_with("tree ") && line.contains(" good ")), "{found}");
    for number in 0..12 {
        fs::write(tree.join(format!("f{number}")), "now").unwrap();
    }
    let packs = packs(&serve.data().join("vault/default/data"));
    let largest = packs.iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(largest).unwrap();
    let whole = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    replace(largest, &bytes);

    says(verify(), &["resources.tree", "damaged", "is not good"]);
    says(restore(&serve, "one"), &["resources.tree", "damaged", "safety snapshot"]);
    let operations = serve.client(&["operation", "list", "--json"]).exits(0).json();
    let id = operations["operations"][0]["id"].as_str().unwrap();
    let shown = serve.client(&["operation", "files", id, "--json"]).exits(0).json();
    let half = &shown["resources"][0]["result"];
    let left = half["left"].as_u64().unwrap();
    assert!(left > 0 && serve.client(&["operation", "files", id]).exits(0).stdout.contains("tree: left: "), "{half}");
    for file in half["files"].as_array().unwrap() {
        let path = tree.join(file["path"].as_str().unwrap());
        let is_now = path.is_file() && fs::read(&path).unwrap() == b"now";
        assert!(!path.is_file() || is_now != file["done"].as_bool().unwrap(), "{file}");
    }

    replace(largest, &whole);
    let was = "the snapshot's bytes, once the pack is whole again";
    restore(&serve, "one").exits(0);
    assert!((0..12).all(|number| fs::metadata(tree.join(format!("f{number}"))).unwrap().len() == 1 << 20), "{was}");
}

#[test]
fn another_master_key_opens_nothing_and_spoils_nothing() {
    let (mut serve, tree) = with_tree(None);
    snapshot(&serve, "one").exits(0);
    serve.stop();
    let key = serve.data().join("master.key");
    let right = fs::read(&key).unwrap();
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    serve.resume();
    says(snapshot(&serve, "two"), &["master key"]);
    says(restore(&serve, "one"), &["master key"]);
    serve.stop();
    fs::write(&key, right).unwrap();
    serve.resume();
    let was = sample::manifest(&tree).unwrap();
    fs::remove_file(tree.join("f5")).unwrap();
    restore(&serve, "one").exits(0);
    assert_eq!(sample::compare(&was, &tree).unwrap(), []);
}

#[test]
fn what_the_workers_user_may_not_read_is_named() {
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TRIED: only root can run the service as another user");
        return;
    }
    let (serve, tree) = with_tree(Some(NOBODY));
    fs::write(tree.join("secret"), "root's own").unwrap();
    fs::set_permissions(tree.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    says(snapshot(&serve, "one"), &["resources.tree", "can't read secret", "unreadable: skip"]);
    assert_eq!(serve.operator(&["orphans", "--older-than", "0s"]).exits(0).stdout, "");
    fs::remove_file(tree.join("secret")).unwrap();
    snapshot(&serve, "two").exits(0);
}

#[test]
fn a_database_that_is_missing_and_a_login_that_is_wrong_are_said() {
    let postgres = Postgres::start();
    let wrong = format!(
        "[postgresql.wrong]\nhost = {:?}\nuser = 'postgres'\npassword = 'hunter2'\nsslmode = 'disable'\nprojects = ['*']\n\
         [postgresql.closed]\nport = 1\nuser = 'postgres'\nprojects = ['*']\n[postgresql.theirs]\nuser = 'x'\nprojects = ['them']\n",
        postgres.socket()
    );
    let serve = Serve::start_with(&format!("{}{wrong}", postgres.config()), None);
    let database = |server: &str| {
        format!("  db:\n    type: Stacksnap::PostgreSQL\n    external_id: orders\n    properties: {{server: {server}}}")
    };
    says(serve.stack("a", &database("main")), &["resources.db", "\"orders\""]);
    says(serve.stack("b", &database("wrong")), &["resources.db", "password authentication failed"]);
    says(serve.stack("c", &database("theirs")), &["resources.db", "[postgresql.NAME]"]);
    assert!(!serve.log().contains("hunter2"));
    // What is gone after the stack was made is said by the snapshot.
    postgres.sql("postgres", "CREATE DATABASE orders");
    serve.stack("web", &database("main")).exits(0);
    postgres.sql("postgres", "DROP DATABASE orders");
    says(snapshot(&serve, "one"), &["resources.db", "\"orders\""]);
    let listed = serve.client(&["snapshot", "list", "web", "--json"]).exits(0).json();
    assert_eq!(listed["snapshots"][0]["status"], "FAILED", "{listed}");
}

pub fn packs(data: &Path) -> Vec<PathBuf> {
    let inside = |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    inside(data).iter().filter(|dir| dir.is_dir()).flat_map(|dir| inside(dir)).collect()
}

/// The vault's files are read-only.
pub fn replace(file: &Path, bytes: &[u8]) {
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
}

/// A file system in memory; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where this is not permitted, which is said.
    fn new(options: &str, on: &Path) -> Option<Self> {
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(on).output().unwrap();
        if output.status.success() {
            return Some(Self(on.to_owned()));
        }
        eprintln!("NOT TRIED: mounts are not permitted here: {}", String::from_utf8_lossy(&output.stderr));
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
