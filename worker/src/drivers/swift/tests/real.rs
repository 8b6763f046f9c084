//! The laws of every driver, kept on a real Swift.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use async_trait::async_trait;
use stacksnap_common::ids::SnapshotId;
use stacksnap_openstack::Swift;
use stacksnap_openstack::swift::Headers;

use super::contract::{Cloud, InSwift};
use super::owner::Owner;
use crate::drivers::contract::driver_contract;
use crate::drivers::openstack::lab::Caller;
use crate::drivers::openstack::real::Real;

driver_contract!(@real subject());

async fn subject() -> InSwift<Real> {
    let cloud = Real::from_env().await;
    let container = format!("files-{}", SnapshotId::random());
    let owner = Owner { swift: Swift::new(cloud.session.clone()), elsewhere: format!("{container}-parts"), container };
    let mut own = Headers::default();
    own.set("x-container-read", ".r:*");
    own.set("x-container-meta-color", "red");
    owner.swift.make_container(&owner.container, &own).await.unwrap();
    InSwift::filled(owner, cloud).await
}

#[async_trait]
impl Cloud for Real {
    fn caller(&self) -> &Caller {
        self
    }

    /// A byte of the object rots on the disk. Swift finds that when it has sent all of it, and hides the object from then on.
    async fn break_reads(&self, content: &[u8]) {
        let mut open = vec![self.file("swift/d1/objects")];
        while let Some(next) = open.pop() {
            let inside = std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path());
            let (directories, files): (Vec<_>, Vec<PathBuf>) = inside.partition(|path| path.is_dir());
            open.extend(directories);
            let is_it = |path: &PathBuf| {
                path.metadata().unwrap().len() == content.len() as u64 && std::fs::read(path).unwrap() == content
            };
            if let Some(path) = files.into_iter().find(is_it) {
                let middle = content.len() / 2;
                let file = File::options().write(true).open(path).unwrap();
                return file.write_all_at(&[!content[middle]], middle as u64).unwrap();
            }
        }
        panic!("Swift has no file with the object's bytes");
    }

    /// An object that is hidden is written anew by its owner.
    async fn mend_reads(&self) {}
}
