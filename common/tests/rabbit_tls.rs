//! The queue on RabbitMQ over TLS: the broker's certificate must be of an authority that we trust, and be of its name.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use stacksnap_common::queue::contract::soon;
use stacksnap_common::queue::{Error, Rabbit, rabbit};
use stacksnap_common::testing::rabbit::{RabbitServer, free_port};

/// A private authority and a certificate of it for 127.0.0.1, by the openssl program.
fn make_certificates(directory: &Path) {
    let extensions = "basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";
    fs::write(directory.join("extensions"), extensions).unwrap();
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for command in [
        format!("req -x509 {curve} -keyout ca.key -out ca.pem -subj /CN=test-authority -days 2"),
        format!("req {curve} -keyout server.key -out server.csr -subj /CN=test-broker"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile extensions -out server.pem -days 2"
            .to_owned(),
    ] {
        let output = Command::new("openssl").args(command.split(' ')).current_dir(directory).output();
        let output = output.expect("openssl is missing: apt-get install openssl");
        assert!(output.status.success(), "openssl {command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_trusted_by_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    make_certificates(directory.path());
    let (port, path) = (free_port(), directory.path().display());
    let _server = RabbitServer::start_with(&format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.verify = verify_none\n\
         ssl_options.cacertfile = {path}/ca.pem\nssl_options.certfile = {path}/server.pem\n\
         ssl_options.keyfile = {path}/server.key"
    ))
    .await;
    let authority = fs::read_to_string(directory.path().join("ca.pem")).unwrap();
    let check = async |host: &str, authorities: Option<&String>| {
        let url = format!("amqps://guest:guest@{host}:{port}/%2f");
        let settings = rabbit::Settings { authorities: authorities.cloned(), ..rabbit::Settings::new(url.into()) };
        soon("check", Rabbit::connect(settings).unwrap().check()).await
    };
    check("127.0.0.1", Some(&authority)).await.unwrap();
    let unknown = check("127.0.0.1", None).await;
    assert!(matches!(&unknown, Err(Error::Unavailable(reason)) if reason.contains("certificate")), "{unknown:?}");
    let misnamed = check("localhost", Some(&authority)).await;
    assert!(matches!(&misnamed, Err(Error::Unavailable(reason)) if reason.contains("certificate")), "{misnamed:?}");
}
