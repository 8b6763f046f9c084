//! A request as it was recorded, byte for byte, on a connection of its own: an HTTP client would add headers, refuse the
//! method `FOO`, or mend what is meant to be broken.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::transcript::Message;

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request and reads the whole answer.
pub async fn send(address: &str, request: &Message) -> Message {
    let mut bytes = format!("{}\r\n", request.start).into_bytes();
    let length = request.body.len().to_string();
    for (name, value) in &request.headers {
        let value = match name.to_lowercase().as_str() {
            "host" => address,
            "content-length" => &length,
            _ => value,
        };
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"Connection: close\r\n\r\n");
    bytes.extend_from_slice(&request.body);
    let mut answer = Vec::new();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&bytes).await?;
        stream.read_to_end(&mut answer).await
    };
    let ended = tokio::time::timeout(PATIENCE, exchange).await;
    ended.unwrap_or_else(|_| panic!("no answer to {}", request.start)).unwrap();
    let answer = Message::parse(&answer);
    let head = request.start.starts_with("HEAD ");
    if let (Some(length), false) = (answer.header("content-length"), head) {
        assert_eq!(
            length,
            answer.body.len().to_string(),
            "the answer to {} has the length that it names",
            request.start
        );
    }
    answer
}
