//! A real volume's bytes, where Cinder's NFS driver has them: a file of all its GiB, and once a snapshot was taken of it a
//! qcow2 file on top of that for what is written later; `.info` beside it says which.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::drivers::openstack::real::Real;

/// Where something is written, bytes from the beginning; as long as it is at each.
const PLACES: [u64; 2] = [0, 300 << 20];
const LENGTH: usize = 256 << 10;
/// What is compared at once.
const PIECE: usize = 1 << 20;

#[derive(Clone)]
pub(super) struct Disk {
    share: PathBuf,
    name: String,
}

impl Disk {
    pub(super) fn of(cloud: &Real, volume: &str) -> Self {
        Self { share: cloud.file("cinder/share"), name: format!("volume-{volume}") }
    }

    fn base(&self) -> PathBuf {
        self.share.join(&self.name)
    }

    /// The file that is on top, and whether that is qcow2: Cinder writes raw bytes over one into which it restores a backup.
    fn top(&self) -> (PathBuf, bool) {
        let info = fs::read(self.share.join(format!("{}.info", self.name))).unwrap_or_else(|_| b"{}".to_vec());
        let info: Value = serde_json::from_slice(&info).unwrap();
        let top = self.share.join(info["active"].as_str().unwrap_or(&self.name));
        let mut magic = [0; 4];
        File::open(&top).unwrap().read_exact(&mut magic).unwrap();
        (top, magic == *b"QFI\xfb")
    }

    /// `text` over and over, at each place.
    pub(super) async fn write(&self, text: &str) {
        let content: Vec<u8> = text.bytes().cycle().take(LENGTH).collect();
        let (top, is_qcow2) = self.top();
        if !is_qcow2 {
            let file = File::options().write(true).open(top).unwrap();
            return PLACES.iter().for_each(|place| file.write_all_at(&content, *place).unwrap());
        }
        let mut source = tempfile::NamedTempFile::new().unwrap();
        source.write_all(&content).unwrap();
        for place in PLACES {
            let write = format!("write -s {} {place} {LENGTH}", source.path().display());
            tool("qemu-io", &["-f", "qcow2", "-c", &write], &top, None).await;
        }
    }

    /// A line of each piece in which there is anything.
    pub(super) async fn content(&self) -> String {
        let (top, is_qcow2) = self.top();
        if !is_qcow2 {
            return pieces(top).await;
        }
        let flat = tempfile::NamedTempFile::new().unwrap();
        tool("qemu-img", &["convert", "-O", "raw"], &top, Some(flat.path())).await;
        pieces(flat.path().to_owned()).await
    }

    /// Whoever reads or copies the volume from now on finds no file.
    pub(super) fn take_away(&self) {
        fs::rename(self.base(), self.share.join(format!("{}.away", self.name))).unwrap();
    }

    pub(super) fn put_back(&self) {
        fs::rename(self.share.join(format!("{}.away", self.name)), self.base()).unwrap();
    }

    /// A volume that was restored fills all its GiB.
    pub(super) fn forget(&self) {
        for entry in fs::read_dir(&self.share).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_str().unwrap().starts_with(&self.name) {
                File::create(entry.path()).unwrap();
            }
        }
    }
}

async fn pieces(path: PathBuf) -> String {
    let read = move || {
        let (mut file, zeros) = (File::open(path).unwrap(), vec![0; PIECE]);
        let (mut piece, mut lines, mut at) = (vec![0; PIECE], String::new(), 0);
        loop {
            match file.read(&mut piece).unwrap() {
                0 => return lines,
                length if piece[..length] == zeros[..length] => at += length,
                length => {
                    lines += &format!("at {at}: {}\n", hex::encode(Sha256::digest(&piece[..length])));
                    at += length;
                }
            }
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

async fn tool(program: &str, arguments: &[&str], file: &Path, to: Option<&Path>) {
    let done = Command::new(program).args(arguments).arg(file).args(to).output().await.unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}
