//! Trees: everything that a file system says of an entry comes back.

use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// One of everything that is hard.
pub(super) fn nasty() -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.entries[0].0.meta.mode = 0o2750;
    tree.entries[0].0.meta.xattrs = vec![(b"user.root".to_vec(), vec![0, 255])];
    tree.file("empty", b"");
    tree.file("small", b"hello");
    tree.file("large", &noise(9, 3 << 20)).meta.mode = 0o6755;
    tree.file("zeros", &vec![0; 2 << 20]);
    tree.file("twin", b"hello");
    tree.file("before the epoch", b"1").meta.mtime = -1_500_000_001;
    tree.file("long ago", b"1").meta.mtime = -3_000_000_000_123_456_789;
    tree.file("far ahead", b"1").meta.mtime = 32_503_680_000_000_000_001;
    tree.file("owned", b"1").meta.uid = u32::MAX - 1;
    let xattrs = &mut tree.file("attributes", b"1").meta.xattrs;
    xattrs.push((b"security.capability".to_vec(), vec![0, 1, 2, 255]));
    xattrs.push((b"user.empty".to_vec(), vec![]));
    for (name, links) in [("link one", 2), ("link two", 2)] {
        let meta = &mut tree.file(name, b"linked").meta;
        (meta.inode, meta.device, meta.links) = (77, 5, links);
    }
    tree.add("symlink", Kind::Symlink(b"../else where\n".to_vec()), Given::Nothing);
    tree.add("symlink of bytes", Kind::Symlink(vec![b'a', 0xff, b'b']), Given::Nothing);
    tree.add("fifo", Kind::Fifo, Given::Nothing);
    tree.add("socket", Kind::Socket, Given::Nothing);
    tree.add("char", Kind::CharDevice(0x0103), Given::Nothing);
    tree.add("block", Kind::BlockDevice(0xfd00_0002), Given::Nothing);
    tree.add("void", Kind::Directory, Given::Nothing).meta.mode = 0o1777;
    tree.add("a", Kind::Directory, Given::Nothing);
    // Between `a` and what is in it, by bytes of whole paths; after it, by names.
    tree.file("a!", b"!");
    tree.file("a/b", b"in a");
    tree.add("a/deep", Kind::Directory, Given::Nothing);
    tree.file("a/deep/down", b"deep");
    let mut names: Vec<Vec<u8>> =
        (1..=255).filter(|byte| *byte != b'/' && *byte != b'.').map(|byte| vec![byte]).collect();
    names.extend(
        [&b"new\nline"[..], b"\\x41", b"\"quoted\"", b"\xc3\x28", b"\xe2\x82", b"..a", b"a\\"].map(<[u8]>::to_vec),
    );
    names.retain(|name| !tree.entries.iter().any(|(entry, _)| entry.path == [name.clone()]));
    tree.add("names", Kind::Directory, Given::Nothing);
    for name in names {
        let content = [b"named ", &name[..]].concat();
        tree.add_bytes(vec![b"names".to_vec(), name], Kind::File, Given::Bytes(content));
    }
    tree
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_about_an_entry_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let tree = shared(nasty());
    let stored = vault.put_tree(&label("d"), tree.clone(), work()).await.unwrap();
    let mut expected = tree.expected();
    let files = expected.iter().filter(|(entry, _)| entry.kind != Kind::Directory).count();
    let bytes: usize = expected.iter().filter_map(|(_, content)| content.as_ref()).map(Vec::len).sum();
    assert_eq!((stored.files, stored.bytes), (files as u64, bytes as u64));
    assert_eq!(stored.warnings, Vec::<String>::new());
    for (entry, content) in &mut expected {
        if entry.kind == Kind::File && content.is_none() {
            *content = Some(Vec::new());
        }
    }
    let back = read_back(&vault, &stored.entry).await.unwrap();
    assert_eq!(back.len(), expected.len());
    for (back, expected) in back.iter().zip(&expected) {
        assert_eq!(back.0, expected.0);
        assert!(back.1 == expected.1, "{:?}", back.0.path);
    }
    let opened = vault.open_tree(&stored.entry).await.unwrap();
    assert_eq!((opened.bytes, opened.files), (stored.bytes, stored.files));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let label = label("d");
    let files = nasty().entries.iter().filter(|(entry, _)| entry.kind == Kind::File).count() as u64;
    let first = shared(nasty());
    vault.put_tree(&label, first.clone(), work()).await.unwrap();
    assert_eq!(first.opened.load(Relaxed), files);

    let same = shared(nasty());
    let progress = work();
    let stored = vault.put_tree(&label, same.clone(), progress.clone()).await.unwrap();
    assert_eq!((same.opened.load(Relaxed), stored.files_unchanged), (0, files));
    assert_eq!((progress.progress.sample().bytes, progress.progress.sample().files), (stored.bytes, stored.files));
    assert!(stored.bytes_added < 2000, "{}", stored.bytes_added);
    assert_eq!(read_back(&vault, &stored.entry).await.unwrap().len(), same.entries.len());

    // Each way to have changed; and a resource of another name has no entry before.
    let mut changed = nasty();
    let meta = |tree: &mut MemoryTree, path: &str, change: fn(&mut Meta)| {
        let path: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
        change(&mut tree.entries.iter_mut().find(|(entry, _)| entry.path == path).unwrap().0.meta);
    };
    meta(&mut changed, "small", |meta| meta.mtime += 1);
    meta(&mut changed, "twin", |meta| meta.ctime += 1);
    meta(&mut changed, "link one", |meta| meta.inode += 1);
    meta(&mut changed, "a/deep/down", |meta| meta.mtime -= 1);
    // Not the content: taken over with its new owner.
    meta(&mut changed, "large", |meta| meta.uid = 12);
    changed.file("a/new", b"new");
    let changed = shared(changed);
    let stored = vault.put_tree(&label, changed.clone(), work()).await.unwrap();
    assert_eq!((changed.opened.load(Relaxed), stored.files_unchanged), (5, files - 4));
    let back = read_back(&vault, &stored.entry).await.unwrap();
    assert!(back.iter().any(|(entry, _)| entry.path == [b"large".to_vec()] && entry.meta.uid == 12));

    let other = shared(nasty());
    let elsewhere = Label { resource: Some("other".parse().unwrap()), ..label.clone() };
    vault.put_tree(&elsewhere, other.clone(), work()).await.unwrap();
    assert_eq!(other.opened.load(Relaxed), files);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_failure_of_the_source_fails_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let failures: [(Given, io::ErrorKind, &str); 4] = [
        (Given::Breaks(100), io::ErrorKind::ConnectionReset, "d/broken: the disk went away"),
        (Given::Breaks(30 << 20), io::ErrorKind::ConnectionReset, "d/broken: the disk went away"),
        (Given::CantOpen, io::ErrorKind::PermissionDenied, "d/broken: may not be read"),
        (Given::CantWalk, io::ErrorKind::PermissionDenied, "no entry here"),
    ];
    for (given, expected, text) in failures {
        let mut tree = MemoryTree::new();
        tree.add("d", Kind::Directory, Given::Nothing);
        tree.add("d/broken", Kind::File, given);
        for number in 0..300_u16 {
            tree.file(&format!("d/f{number}"), &number.to_le_bytes());
        }
        let error = vault.put_tree(&label("d"), shared(tree), work()).await.unwrap_err();
        let Error::Source { kind, reason } = &error else { panic!("{error}") };
        assert_eq!((*kind, &reason[..]), (expected, text));
    }
    // A reader that ends early, and one that does not end where it said.
    for size in [4, 6] {
        let mut tree = MemoryTree::new();
        tree.file("f", b"12345").meta.size = size;
        let error = vault.put_tree(&label("d"), shared(tree), work()).await.unwrap_err();
        assert!(matches!(&error, Error::Source { reason, .. } if reason.contains("5 bytes of")), "{error}");
    }
    assert_eq!(vault.entries().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_is_no_tree_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let refused = async |change: fn(&mut MemoryTree)| {
        let mut tree = MemoryTree::new();
        tree.add("d", Kind::Directory, Given::Nothing);
        tree.file("d/a", b"a");
        tree.file("d/b", b"b");
        tree.file("e", b"e");
        change(&mut tree);
        vault.put_tree(&label("d"), shared(tree), work()).await.unwrap_err()
    };
    let errors = [
        refused(|tree| tree.entries.swap(2, 3)).await,
        refused(|tree| drop(tree.entries.remove(0))).await,
        refused(|tree| drop(tree.entries.remove(1))).await,
        refused(|tree| tree.entries[2].0.path[1] = b"..".to_vec()).await,
        refused(|tree| tree.entries[2].0.path[1] = b"x/y".to_vec()).await,
        refused(|tree| tree.entries[3].0.path[1] = b"a".to_vec()).await,
        refused(|tree| tree.entries.clear()).await,
    ];
    assert!(errors.iter().all(|error| matches!(error, Error::Internal(_))), "{errors:?}");
    assert_eq!(vault.entries().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_files_than_fit_the_window_behind_a_large_one() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let mut tree = MemoryTree::new();
    tree.entries.reserve(6000);
    tree.file("0 large", &noise(4, 20 << 20));
    for number in 0..5500_u32 {
        let name = format!("f{number:05}").into_bytes();
        let meta = Meta { size: 4, links: 1, ..Meta::default() };
        let entry = Entry { path: vec![name], kind: Kind::File, meta };
        tree.entries.push((entry, Given::Bytes(number.to_le_bytes().to_vec())));
    }
    let tree = shared(tree);
    let stored = vault.put_tree(&label("d"), tree.clone(), work()).await.unwrap();
    assert!(
        read_back(&vault, &stored.entry).await.unwrap() == {
            let mut expected = tree.expected();
            expected[0].1 = None;
            expected
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_stops_at_the_first_failure() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let stored = vault.put_tree(&label("d"), shared(nasty()), work()).await.unwrap();
    let tree = vault.open_tree(&stored.entry).await.unwrap();
    tokio::task::spawn_blocking(move || {
        let files = || tree.entries().map(Result::unwrap).filter_map(|found| Some((found.entry, found.content?)));
        let error = tree
            .read_files(files(), 2, &work(), |entry, reader| {
                io::copy(reader, &mut io::sink())?;
                if entry.path == [b"small".to_vec()] { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            })
            .unwrap_err();
        assert!(matches!(error, Error::Sink { kind: io::ErrorKind::StorageFull, .. }), "{error}");
        let cancelled = work();
        cancelled.cancel.cancel();
        assert_eq!(tree.read_files(files(), 2, &cancelled, |_, _| Ok(())).unwrap_err(), Error::Cancelled);
    })
    .await
    .unwrap();
}
