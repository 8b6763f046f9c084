//! A vault in an S3-compatible store: `s3s-fs`, a server of that protocol over a directory, on loopback.

use std::net::SocketAddr;
use std::path::Path;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// Ends with the test.
struct Server {
    address: SocketAddr,
    connections: JoinSet<()>,
}

impl Server {
    async fn start(directory: &Path, address: SocketAddr) -> Self {
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(directory).unwrap());
        service.set_auth(SimpleAuth::from_single("the-key", "the-secret"));
        let service = service.build();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                open.spawn(async move {
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, connections }
    }

    async fn stop(mut self) {
        self.connections.shutdown().await;
    }
}

fn settings(address: SocketAddr, bucket: &str, secret: &str) -> Settings {
    Settings::new(Location::S3 {
        endpoint: format!("http://{address}"),
        bucket: bucket.to_owned(),
        prefix: "some/where".to_owned(),
        region: "us-east-1".to_owned(),
        access_key: SecretString::from("the-key"),
        secret_key: SecretString::from(secret.to_owned()),
    })
}

const ANY: &str = "127.0.0.1:0";

async fn started() -> (tempfile::TempDir, Server, Vaults) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("bucket")).unwrap();
    let server = Server::start(directory.path(), ANY.parse().unwrap()).await;
    let vaults = Vaults::new(settings(server.address, "bucket", "the-secret"), key()).unwrap();
    (directory, server, vaults)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_object_store_holds_what_a_directory_holds() {
    let (_directory, server, vaults) = started().await;
    let marker = vaults.marker().await.unwrap();
    let project = "demo".parse().unwrap();
    let vault = vaults.project(&project).await.unwrap();
    let content = noise(1, 20 << 20);
    let stream = vault.put_stream(&label("s"), "s", io::Cursor::new(content.clone()), work()).await.unwrap();
    let tree = vault.put_tree(&label("d"), shared(trees::nasty()), work()).await.unwrap();
    vault.put_manifest(&label("d"), b"{}".to_vec(), work()).await.unwrap();

    let again = Vaults::new(settings(server.address, "bucket", "the-secret"), key()).unwrap();
    assert_eq!(again.marker().await.unwrap(), marker);
    assert_eq!(again.projects().await.unwrap(), std::slice::from_ref(&project));
    let again = again.project(&project).await.unwrap();
    assert!(stream_back(&again, &stream.entry).await.unwrap().0 == content);
    assert_eq!(read_back(&again, &tree.entry).await.unwrap().len(), trees::nasty().entries.len());
    for entry in [&stream.entry, &tree.entry] {
        assert!(again.verify(entry, true, work()).await.unwrap().ok);
        assert!(again.verify(entry, false, work()).await.unwrap().ok);
    }
    assert_eq!(again.manifests().await.unwrap().len(), 1);
    again.check_sealed(&[stream.entry.clone(), tree.entry.clone()], work()).await.unwrap();
    again.forget(&stream.entry).await.unwrap();
    again.forget(&stream.entry).await.unwrap();
    let zero = {
        let project = Arc::clone(&again.0);
        move || crate::vault::prune::prune(&project, Duration::ZERO, &work())
    };
    tokio::task::spawn_blocking(zero.clone()).await.unwrap().unwrap();
    let pruned = tokio::task::spawn_blocking(zero).await.unwrap().unwrap();
    assert!(pruned.bytes_removed >= 20 << 20, "{pruned:?}");
    assert!(again.verify(&tree.entry, true, work()).await.unwrap().ok);
    server.stop().await;
}

/// The record is in the bucket, and what was kept of a tree pack in memory does not outlive the damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn damage_there_goes_on_record_and_off_it_again() {
    let (directory, server, vaults) = started().await;
    let project = "demo".parse().unwrap();
    let ours = vaults.project(&project).await.unwrap();
    let theirs = Vaults::new(settings(server.address, "bucket", "the-secret"), key()).unwrap();
    let theirs = theirs.project(&project).await.unwrap();
    let put = async |vault: &Vault| {
        vault.put_stream(&label("s"), "s", io::Cursor::new(noise(1, 6 << 20)), work()).await.unwrap()
    };
    let old = put(&ours).await.entry;
    let mut packs: Vec<_> = std::fs::read_dir(directory.path().join("bucket/some/where/demo/data"))
        .unwrap()
        .flat_map(|inner| std::fs::read_dir(inner.unwrap().path()).unwrap())
        .map(|pack| pack.unwrap().path())
        .collect();
    packs.sort_by_key(|pack| std::fs::metadata(pack).unwrap().len());
    assert_eq!(packs.len(), 2);
    let damaged = async || {
        let project = Arc::clone(&ours.0);
        tokio::task::spawn_blocking(move || project.storage.damaged().unwrap().len()).await.unwrap()
    };
    for pack in &packs {
        let whole = std::fs::read(pack).unwrap();
        let mut flipped = whole.clone();
        flipped[20] ^= 4;
        for bytes in [Some(flipped), None] {
            match bytes {
                Some(bytes) => std::fs::write(pack, bytes).unwrap(),
                None => std::fs::remove_file(pack).unwrap(),
            }
            // One that has read nothing yet.
            let fresh = Vaults::new(settings(server.address, "bucket", "the-secret"), key()).unwrap();
            let fresh = fresh.project(&project).await.unwrap();
            assert!(!fresh.verify(&old, true, work()).await.unwrap().ok);
            assert_eq!(damaged().await, 1);
            std::fs::write(pack, &whole).unwrap();
            for vault in [&fresh, &theirs] {
                assert_eq!(vault.verify(&old, true, work()).await.unwrap().problems, [""; 0]);
            }
            assert_eq!(damaged().await, 0);
        }
    }
    std::fs::remove_file(&packs[1]).unwrap();
    assert!(!theirs.verify(&old, true, work()).await.unwrap().ok);
    let new = put(&ours).await;
    assert!(new.bytes_added > 6 << 20);
    for entry in [&old, &new.entry] {
        assert_eq!(theirs.verify(entry, true, work()).await.unwrap().problems, [""; 0]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_make_a_repository_there_one_does() {
    let (_directory, server, first) = started().await;
    let others = (0..3).map(|_| Vaults::new(settings(server.address, "bucket", "the-secret"), key()).unwrap());
    let all: Vec<Vaults> = others.chain([first]).collect();
    let made = futures_util::future::join_all(all.iter().map(async |vaults| {
        let vault = vaults.project(&"demo".parse().unwrap()).await.unwrap();
        let stored = vault.put_stream(&label("s"), "s", &b"abc"[..], work()).await.unwrap();
        (vault, stored)
    }))
    .await;
    for (vault, _) in &made {
        for (_, stored) in &made {
            assert_eq!(stream_back(vault, &stored.entry).await.unwrap().0, b"abc");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wrong_credentials_and_a_missing_bucket_are_told_apart_from_a_server_away() {
    let (_directory, server, vaults) = started().await;
    let project = "demo".parse().unwrap();
    let wrong = Vaults::new(settings(server.address, "bucket", "another-secret"), key()).unwrap();
    let error = wrong.project(&project).await.err().unwrap();
    assert!(matches!(error, Error::Denied(_)) && !error.to_string().contains("another-secret"), "{error:?}");
    let error = Vaults::new(settings(server.address, "none", "the-secret"), key()).unwrap().project(&project).await;
    assert!(
        matches!(error.as_ref().err(), Some(Error::Unavailable(text)) if text.contains("bucket")),
        "{:?}",
        error.err()
    );

    let vault = vaults.project(&project).await.unwrap();
    let stored = vault.put_stream(&label("s"), "s", &b"abc"[..], work()).await.unwrap();
    let address = server.address;
    server.stop().await;
    for error in [
        vault.put_stream(&label("s"), "s", &b"abcd"[..], work()).await.err(),
        stream_back(&vault, &stored.entry).await.err(),
        vault.entries().await.err(),
    ] {
        let error = error.unwrap();
        assert!(matches!(error, Error::Unavailable(_)) && error.is_transient(), "{error:?}");
    }
    // And back: nothing need be opened again.
    let server = Server::start(_directory.path(), address).await;
    assert_eq!(stream_back(&vault, &stored.entry).await.unwrap().0, b"abc");
    server.stop().await;
}

/// The server goes while a stream is half-way: no entry, and the error is one to try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_goes_half_way_leaves_no_entry() {
    struct Stops(u64, Option<tokio::sync::oneshot::Sender<()>>);
    impl Read for Stops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += buffer.len() as u64;
            if self.0 > 40 << 20
                && let Some(stop) = self.1.take()
            {
                let _ = stop.send(());
            }
            buffer.copy_from_slice(&noise(self.0, buffer.len()));
            Ok(buffer.len())
        }
    }
    let (directory, server, vaults) = started().await;
    let vault = vaults.project(&"demo".parse().unwrap()).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let label = label("s");
    let (put, address) = tokio::join!(vault.put_stream(&label, "s", Stops(0, Some(stop)), work()), async {
        stopped.await.unwrap();
        let address = server.address;
        server.stop().await;
        address
    });
    let error = put.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let server = Server::start(directory.path(), address).await;
    assert_eq!(vault.find(label.step).await.unwrap(), []);
    server.stop().await;
}
