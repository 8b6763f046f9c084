//! Bytes of the vault that change, or go: said, not built on, and healed by the next snapshot.

use std::fs;
use std::path::PathBuf;

use stacksnap_worker::drivers::directory::sample;

use crate::faults::{packs, replace, restore, says, snapshot, with_tree};
use crate::support::serve::Serve;

fn verify(serve: &Serve, name: &str) -> crate::support::cli::Ran {
    serve.client(&["snapshot", "verify", "web", name])
}

fn of(serve: &Serve, name: &str) -> serde_json::Value {
    let listed = serve.client(&["snapshot", "list", "web", "--json"]).exits(0).json();
    listed["snapshots"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
}

fn largest(serve: &Serve) -> PathBuf {
    let packs = packs(&serve.data().join("vault/default/data"));
    packs.into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap()
}

/// Damaged, verified, taken again: the new snapshot and the old one are verified and restored, byte for byte, with the damage
/// still on the disk.
#[test]
fn a_snapshot_after_damage_is_whole_and_heals_the_one_before() {
    for missing in [false, true] {
        let (mut serve, tree) = with_tree(None);
        let was = sample::manifest(&tree).unwrap();
        snapshot(&serve, "one").exits(0);
        verify(&serve, "one").exits(0);
        let pack = largest(&serve);
        if missing {
            fs::remove_file(&pack).unwrap();
        } else {
            let mut bytes = fs::read(&pack).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            replace(&pack, &bytes);
        }

        let name = pack.file_name().unwrap().to_str().unwrap();
        says(verify(&serve, "one"), &["can't be read", name, "nothing new is built on", "take a new snapshot"]);
        let failed = of(&serve, "one");
        assert!(failed["verify_failed"]["reason"].as_str().unwrap().contains(name), "{failed}");
        // What was found is not forgotten by whoever found it.
        serve.stop();
        serve.resume();

        snapshot(&serve, "two").exits(0);
        assert_eq!(of(&serve, "two")["status"], "COMPLETE");
        for name in ["two", "one"] {
            verify(&serve, name).exits(0);
            assert!(of(&serve, name)["verify_failed"].is_null(), "{}", of(&serve, name));
            for number in 0..12 {
                fs::write(tree.join(format!("f{number}")), "now").unwrap();
            }
            restore(&serve, name).exits(0);
            assert_eq!(sample::compare(&was, &tree).unwrap(), []);
        }
    }
}
