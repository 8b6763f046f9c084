//! What a test left over when its app is dropped: operations that have not ended, steps that somebody holds, artifacts
//! that no record points at. Asked of the service by the operator's own commands.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::app::App;
use super::cli;

impl App {
    /// Waits a moment for what is just ending.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let running = self.running_still();
            if running.is_empty() {
                // Without a vault there is nothing in it.
                let vault = self.dir.path().join(if self.workers.is_empty() { "data/vault" } else { "vault" });
                return if vault.exists() { self.orphans() } else { Vec::new() };
            }
            if Instant::now() > until {
                return running;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// In the vaults: what is left in a cloud is for the test that has one to say, and it may be gone by now.
    fn orphans(&self) -> Vec<String> {
        let ran = self.ask(&["orphans", "--json", "--older-than", "0s"]);
        assert!(!ran.stderr.contains("the vaults could not be searched"), "{ran:?}");
        ran.stdout.lines().filter(|line| line.contains(r#""what":"entry""#)).map(str::to_owned).collect()
    }

    fn running_still(&self) -> Vec<String> {
        let value = |line: &String| serde_json::from_str::<Value>(line).unwrap()["value"].clone();
        let operations = self.operator(&["store", "dump", "--prefix", "operation/"]);
        let ended =
            |line: &String| ["complete", "failed", "cancelled"].map(Value::from).contains(&value(line)["state"]);
        let items = self.operator(&["store", "dump", "--prefix", "item/"]);
        let held = |line: &String| value(line)["state"]["is"] == "running";
        let mut left: Vec<String> = operations.into_iter().filter(|line| !ended(line)).collect();
        left.extend(items.into_iter().filter(held));
        left
    }

    /// The lines that an operator's command prints.
    pub fn operator(&self, command: &[&str]) -> Vec<String> {
        self.ask(command).exits(0).stdout.lines().map(str::to_owned).collect()
    }

    /// An operator's command.
    pub fn ask(&self, command: &[&str]) -> cli::Ran {
        let mut arguments: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        if self.workers.is_empty() {
            flag("--data-dir", self.dir.path().join("data").display().to_string());
        } else {
            flag("--data-dir", self.dir.path().join("workers").display().to_string());
            flag("--config", self.dir.path().join("worker.toml").display().to_string());
        }
        arguments.extend(self.flags.clone());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        cli::run(&arguments)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let left = self.leftovers();
            assert!(left.is_empty(), "left over:\n{}\n{}", left.join("\n"), self.log());
        }
    }
}
