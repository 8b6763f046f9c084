//! More than one process: writers beside each other, one that is killed, one that meets a full disk. The child is this
//! test binary, told by the environment to run one of [`child`]'s parts.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;

const PART: &str = "STACKSNAP_TEST_VAULT_CHILD";
const DIRECTORY: &str = "STACKSNAP_TEST_VAULT_DIRECTORY";

/// Killed with the test that started it, however that ends.
struct Writer(Child, BufReader<ChildStdout>);

impl Writer {
    fn start(part: &str, directory: &Path) -> Self {
        // A file of more than 4 MiB can't be written by it: the signal is ignored, so the write fails.
        let limit = if part == "full" { "trap '' XFSZ; ulimit -f 4096; " } else { "" };
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "vault::tests::processes::child", "--nocapture", "--include-ignored"])
            .env(PART, part)
            .env(DIRECTORY, directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self(child, output)
    }

    /// What it says after `=`, by its next line that begins with `said=`.
    fn says(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "the child has ended");
            // The test harness writes before it on the same line.
            if let Some((_, said)) = line.trim_end().split_once("said=") {
                return said.to_owned();
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the other tests as a process of its own"]
async fn child() {
    let (Ok(part), Some(directory)) = (std::env::var(PART), std::env::var_os(DIRECTORY)) else {
        panic!("this is no test by itself")
    };
    let vault = vault(Path::new(&directory)).await;
    match &part[..] {
        "endless" => {
            struct Stuck(u64);
            impl Read for Stuck {
                fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                    self.0 += buffer.len() as u64;
                    if self.0 > 60 << 20 {
                        println!("said=stuck");
                        loop {
                            std::thread::park();
                        }
                    }
                    buffer.copy_from_slice(&noise(self.0, buffer.len()));
                    Ok(buffer.len())
                }
            }
            vault.put_stream(&label("s"), "s", Stuck(0), work()).await.unwrap();
        }
        "full" => {
            let error =
                vault.put_stream(&label("s"), "s", io::Cursor::new(noise(1, 9 << 20)), work()).await.unwrap_err();
            let kind = if matches!(error, Error::NoSpace(_)) { "no space" } else { "other" };
            println!("said={kind}: {error}");
        }
        seed => {
            let seed: u64 = seed.parse().unwrap();
            for round in 0..4 {
                let mut content = noise(99, 2 << 20);
                content.extend(noise(seed * 10 + round, 2 << 20));
                let stored = vault.put_stream(&label("s"), "s", io::Cursor::new(content), work()).await.unwrap();
                println!("said={} {}", stored.entry, stored.digest);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_write_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut writers = [Writer::start("1", directory.path()), Writer::start("2", directory.path())];
    let mut said: Vec<String> = Vec::new();
    for writer in &mut writers {
        said.extend((0..4).map(|_| writer.says()));
        assert!(writer.0.wait().unwrap().success());
    }
    let vault = vault(directory.path()).await;
    assert_eq!(vault.entries().await.unwrap().len(), 8);
    for line in said {
        let (entry, digest) = line.split_once(' ').unwrap();
        let entry: EntryId = entry.parse().unwrap();
        assert_eq!(stream_back(&vault, &entry).await.unwrap().1.digest, digest);
        assert!(vault.verify(&entry, true, work()).await.unwrap().ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_writer_leaves_no_entry_and_a_prune_takes_its_rest() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::start("endless", directory.path());
    assert_eq!(writer.says(), "stuck");
    drop(writer);
    let left = files(directory.path(), "data").len();
    assert!(left > 0, "it had written packs");
    let vault = vault(directory.path()).await;
    assert_eq!(vault.entries().await.unwrap(), []);
    // Half a file, as a power cut leaves it.
    let half = files(directory.path(), "data")[0].with_extension("-tmp-half");
    std::fs::write(&half, "half").unwrap();

    let stored = vault.put_stream(&label("s"), "s", io::Cursor::new(noise(1, 3 << 20)), work()).await.unwrap();
    for _ in 0..2 {
        let project = Arc::clone(&vault.0);
        let run = move || crate::vault::prune::prune(&project, Duration::ZERO, &work());
        tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    }
    assert!(!half.exists());
    assert!(stream_back(&vault, &stored.entry).await.unwrap().0 == noise(1, 3 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    vault(directory.path()).await;
    let mut writer = Writer::start("full", directory.path());
    let said = writer.says();
    assert!(said.starts_with("no space: the vault is full"), "{said}");
    assert!(writer.0.wait().unwrap().success());
    assert_eq!(files(directory.path(), "data").len() + files(directory.path(), "snapshots").len(), 0);
    assert_eq!(vault(directory.path()).await.entries().await.unwrap(), []);
}
