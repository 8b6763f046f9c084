//! Real connections: what is too long or never ends, a store that is away, and stopping.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stacksnap_api::auth::none::Open;
use stacksnap_api::{Api, Patience, serve};
use stacksnap_common::config::Limits;
use stacksnap_common::kinds::Kinds;
use stacksnap_common::store::backend::Shards;
use stacksnap_common::store::model::Model;
use stacksnap_common::store::{Settings, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Server {
    address: std::net::SocketAddr,
    token: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
    backend: Arc<Model>,
    _queue: watch::Sender<bool>,
}

async fn start() -> Server {
    start_with(Patience::default()).await
}

async fn start_with(patience: Patience) -> Server {
    let backend = Arc::new(Model::new(Shards::new(4).unwrap()));
    let store = Store::new(backend.clone(), Settings::default(), Kinds::default());
    let (queue, connected) = watch::channel(true);
    let mut api = Api::new(store, connected, Arc::new(Open), Limits::default());
    api.patience = patience;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let token = CancellationToken::new();
    let task = tokio::spawn(serve(listener, api, token.clone()));
    Server { address, token, task, backend, _queue: queue }
}

/// Sends bytes as they are and reads until the connection ends.
async fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server may answer and close before all is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_of_any_length_gets_an_answer() {
    let server = start().await;
    for length in [(1 << 20) + 1, 5 << 20] {
        let head = format!(
            "POST /v1/p/stacks HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n",
            server.address
        );
        let mut bytes = head.into_bytes();
        bytes.push(b'{');
        bytes.resize(bytes.len() + length - 1, b' ');
        let answer = raw(&server, &bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(
            answer.contains(&format!("JSON body size ({length} bytes) exceeds maximum allowed size (1048576 bytes).")),
            "{answer}"
        );
    }
    let chunked = format!(
        "POST /v1/p/stacks HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
        server.address
    );
    assert!(raw(&server, chunked.as_bytes()).await.contains("No stack name specified"));
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let server = start().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(200_000), server.address);
    let header = format!("GET / HTTP/1.1\r\nHost: {}\r\nX: {}\r\n\r\n", server.address, "x".repeat(200_000));
    let injected =
        format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Auth-Token: a\0b\r\n\r\n", server.address);
    for bytes in [long.as_bytes(), header.as_bytes(), injected.as_bytes(), b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n"]
    {
        let answer = raw(&server, bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let good = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
    assert!(raw(&server, good.as_bytes()).await.starts_with("HTTP/1.1 200 "));
}

/// Who sends slowly is not waited for longer than who sends nothing, and holds nobody else up.
#[tokio::test]
async fn slow_senders_are_cut_off() {
    let short = Duration::from_millis(400);
    let server = start_with(Patience { head: short, part: short, body: short * 3 }).await;
    let head = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nX: ", server.address);
    let body = format!(
        "POST /v1/p/stacks HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n{{",
        server.address
    );
    for (begin, cut) in [(head.as_str(), "HTTP/1.1 408 "), (body.as_str(), "HTTP/1.1 400 ")] {
        // A byte now and then, well within the patience for the next part.
        let start = Instant::now();
        let (mut reading, mut writing) = TcpStream::connect(server.address).await.unwrap().into_split();
        writing.write_all(begin.as_bytes()).await.unwrap();
        let dribble = tokio::spawn(async move {
            while writing.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), reading.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "never cut off");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with(cut), "{answer}");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        dribble.abort();
        let good = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
        assert!(raw(&server, good.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    }
    // Half a request and then nothing.
    let begun = Instant::now();
    let answer = raw(&server, body.as_bytes()).await;
    assert!(answer.contains("The request's body did not arrive in time."), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn requests_in_one_go_are_answered_in_their_order() {
    let server = start().await;
    let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", server.address);
    let bytes =
        [one("/healthz", ""), one("/v1/p/stacks/none/x", ""), one("/healthcheck", "Connection: close\r\n")].concat();
    let answer = raw(&server, bytes.as_bytes()).await;
    let statuses: Vec<_> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{answer}");
    assert!(answer.ends_with("{\"detailed\":false,\"reasons\":[]}"), "{answer}");
}

/// A body is never read as the next request, whatever is said of its length.
#[tokio::test]
async fn nothing_is_smuggled_in_a_body() {
    let server = start().await;
    let inner = format!("DELETE /v1/p/stacks/a/b HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let (host, length) = (server.address, inner.len());
    for head in [
        format!("POST /v1/p/stacks HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"),
        format!("GET /v1/p/stacks HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"),
        format!("POST /v1/p/stacks HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nContent-Length: {length}\r\n\r\n"),
        format!(
            "POST /v1/p/stacks HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        format!("POST /v1/p/stacks HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n"),
        format!("POST /v1/p/stacks HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n"),
        format!("POST /v1/p/stacks HTTP/1.1\r\nHost: {host}\r\nContent-Length : {length}\r\n\r\n"),
        format!("POST /v1/p/stacks HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding : chunked\r\n\r\n"),
    ] {
        let answer = raw(&server, format!("{head}{inner}").as_bytes()).await;
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1 && !answer.contains("The Stack (a)"), "{head}{answer}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_503_in_under_two_seconds() {
    let server = start().await;
    drop(server.backend.restarted());
    let body = serde_json::json!({"stack_name": "s", "template": crate::support::template()}).to_string();
    for request in [
        "GET /v1/p/stacks HTTP/1.1\r\n".to_owned(),
        format!("POST /v1/p/stacks HTTP/1.1\r\nContent-Length: {}\r\n", body.len()),
        "GET /v1/p/operations HTTP/1.1\r\n".to_owned(),
    ] {
        let start = Instant::now();
        let body = if request.starts_with("POST") { body.as_str() } else { "" };
        let bytes = format!("{request}Host: {}\r\nConnection: close\r\n\r\n{body}", server.address);
        let answer = raw(&server, bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(
            answer.contains("\"type\":\"HTTPServiceUnavailable\"") && answer.contains("retry-after: 1"),
            "{answer}"
        );
        assert!(answer.contains("the store does not answer"), "{answer}");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    let ready = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
    assert!(raw(&server, ready.as_bytes()).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_takes_no_new_ones() {
    let server = start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.token.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), server.task).await;
    assert!(ended.expect("serve ends").unwrap().is_ok());
    assert!(TcpStream::connect(server.address).await.is_err());
}
