//! TLS: what each `sslmode` takes and refuses, in our own sessions and in those of the programs.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use stacksnap_common::config::SslMode;

use super::super::server::unprivileged;
use super::*;

fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(dir).args(arguments.split(' ')).output();
    let output = output.expect("this test needs openssl (Debian: openssl)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate for `localhost`, and the authority that vouches for it.
fn certificates(dir: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    for authority in ["ca", "other"] {
        openssl(dir, &format!("req -x509 {key} -keyout {authority}.key -out {authority}.pem -subj /CN={authority}"));
    }
    openssl(dir, &format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost").replace(" -days 2", ""));
    std::fs::write(dir.join("san"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    let sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem";
    openssl(dir, sign);
    let key = dir.join("server.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        let (uid, gid) = unprivileged().unwrap();
        chown(&key, Some(uid), Some(gid)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sslmode_takes_what_it_should() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (key, certificate) = (dir.path().join("server.key"), dir.path().join("server.pem"));
    let server = start(&[
        "listen_addresses=127.0.0.1",
        &format!("port={port}"),
        "ssl=on",
        &format!("ssl_key_file={}", key.display()),
        &format!("ssl_cert_file={}", certificate.display()),
    ]);
    let local = Rig::of(connection(&server), "tls");
    local.admin("CREATE DATABASE tls").await;
    let rig = |host: &str, mode: SslMode, authority: Option<&str>| {
        let mut connection = local.connection.clone();
        (connection.set.host, connection.set.sslmode) = (host.to_owned(), mode);
        connection.set.sslrootcert = authority.map(|name| dir.path().join(name));
        Rig::of(connection, "tls")
    };
    let good = [
        ("127.0.0.1", SslMode::Disable, None),
        ("127.0.0.1", SslMode::Prefer, None),
        ("127.0.0.1", SslMode::Require, None),
        ("127.0.0.1", SslMode::VerifyCa, Some("ca.pem")),
        ("localhost", SslMode::VerifyFull, Some("ca.pem")),
    ];
    for (host, mode, authority) in good {
        let rig = rig(host, mode, authority);
        let session = Session::open(&rig.connection, "tls", &application_name(rig.ctx().step)).await.unwrap();
        let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let row = session.one("test", encrypted, &[]).await.unwrap();
        assert_eq!(row.get::<_, bool>(0), mode != SslMode::Disable, "{mode:?}");
        // The programs get through as well.
        rig.copied().await;
    }
    let bad = [
        ("127.0.0.1", SslMode::VerifyFull, Some("ca.pem")),
        ("localhost", SslMode::VerifyFull, Some("other.pem")),
        ("localhost", SslMode::VerifyCa, Some("other.pem")),
        ("localhost", SslMode::Require, Some("other.pem")),
        ("localhost", SslMode::VerifyCa, Some("missing.pem")),
    ];
    for (host, mode, authority) in bad {
        let rig = rig(host, mode, authority);
        let refused = rig.driver.check(&rig.ctx()).await;
        assert!(matches!(refused, Err(Error::Permanent(_))), "{host} {mode:?} {authority:?}: {refused:?}");
    }
}
