//! The control socket of `serve`: `control.sock` in the data directory, for the user that runs the service and root.
//!
//! `POST /` with a task answers with its lines, the last of them saying how it ended. Of a socket that nobody answers the
//! process is gone: the files are free.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use stacksnap_common::config::Config;
use stacksnap_common::shutdown::Shutdown;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::work::{Task, Work};
use crate::exit::{Exit, Failure};

/// How the last line says whether the task was done.
#[derive(Debug, Serialize, Deserialize)]
struct Ended {
    /// None: done.
    failed: Option<String>,
}

/// What begins the last line; no other line begins with it.
const ENDED: &str = "ended ";

fn socket(config: &Config) -> PathBuf {
    config.data_dir.join("control.sock")
}

/// Answers tasks as a part of the process.
pub fn serve(config: &Config, work: Work, shutdown: &Shutdown) -> Result<(), Failure> {
    let path = socket(config);
    let listener = bind(&path)
        .map_err(|error| Failure::failed(format!("the control socket {} can't be made: {error}", path.display())))?;
    let router = Router::new().route("/", post(answer)).with_state(Arc::new(work));
    let token = shutdown.token();
    shutdown.spawn("control", async move {
        // A task that takes long does not hold up the end of the process: it can be run again.
        tokio::select! {
            ended = axum::serve(listener, router).into_future() => if let Err(error) = ended {
                tracing::error!("the control socket: {error}");
            },
            () = token.cancelled() => {}
        }
        // What is left of it is taken away by the next start.
        let _ = std::fs::remove_file(&path);
    });
    Ok(())
}

/// The store is open by now, so no other process serves here: a socket that is there is left over.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // The data directory is for its user only; this holds where somebody opened it to others.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn answer(State(work): State<Arc<Work>>, Json(task): Json<Task>) -> Response {
    let (lines, received) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        let print = |line: String| {
            // Whoever asked is gone: the task goes on to its end.
            let _ = lines.send(format!("{line}\n"));
        };
        let failed = work.run(&task, print).await.err().map(|failure| failure.message);
        let ended = serde_json::to_string(&Ended { failed }).unwrap_or_default();
        let _ = lines.send(format!("{ENDED}{ended}\n"));
    });
    let lines = futures_util::stream::unfold(received, |mut received| async move {
        Some((Ok::<_, std::convert::Infallible>(received.recv().await?), received))
    });
    Response::new(Body::from_stream(lines))
}

/// A service that runs on the same data directory.
pub struct Service(reqwest::Client);

/// Looks whether one does.
pub fn find(config: &Config) -> Result<Option<Service>, Failure> {
    let path = socket(config);
    match std::os::unix::net::UnixStream::connect(&path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(Failure::new(
                Exit::Refused,
                format!("{}: {error}; run this as the service's user", path.display()),
            ));
        }
        Err(_) => return Ok(None),
    }
    let client = reqwest::Client::builder().unix_socket(path).connect_timeout(Duration::from_secs(5)).build();
    let client = client.map_err(|error| Failure::new(Exit::Unexpected, format!("can't set up HTTP: {error}")))?;
    Ok(Some(Service(client)))
}

impl Service {
    /// Has the task done there; gives each line of its result to `print`.
    pub async fn ask(&self, task: &Task, mut print: impl FnMut(String)) -> Result<(), Failure> {
        let gone = |error: reqwest::Error| Failure::new(Exit::Unreachable, format!("the service went away: {error}"));
        let answer =
            self.0.post("http://localhost/").json(task).send().await.and_then(reqwest::Response::error_for_status);
        let mut bytes = answer.map_err(gone)?.bytes_stream();
        let mut rest = Vec::new();
        let mut ended: Option<Ended> = None;
        while let Some(chunk) = bytes.next().await {
            rest.extend_from_slice(&chunk.map_err(gone)?);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                match line.strip_prefix(ENDED) {
                    Some(last) => ended = serde_json::from_str(last).ok(),
                    None => print(line),
                }
            }
        }
        match ended {
            Some(Ended { failed: None }) => Ok(()),
            Some(Ended { failed: Some(why) }) => Err(Failure::failed(why)),
            None => Err(Failure::new(Exit::Unreachable, "the service stopped before the task had ended; run it again")),
        }
    }
}
