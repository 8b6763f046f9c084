//! `pg_dump` and `pg_restore` as child processes.
//!
//! A child gets a clean environment with what libpq needs; nothing secret is in its arguments. It is watched from its
//! start: [`Child::ended`] says how it ended only after it has ended and its stderr is read to the end. Status zero is
//! not enough: an `error:` on stderr is a failure too. What is kept of stderr is bounded, and of what the programs say
//! only their own messages: an SQL statement or a line of a table that they quote may be secret.
//!
//! Dropping a [`Child`] kills it. If the worker dies, its ends of the pipes close: a `pg_dump` ends as it writes, a
//! `pg_restore` as it finds its input cut short.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use secrecy::ExposeSecret;
use stacksnap_common::ids::StepId;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connect::{OPTIONS, application_name};
use super::settings::Connection;
use crate::driver::Error;

/// Of stderr, so many bytes from its start are looked at.
const STDERR: usize = 64 * 1024;
/// Of messages, so many are kept.
const MESSAGES: usize = 20;

/// Where one version of the programs is.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    dir: PathBuf,
    pub(super) major: u32,
}

impl Tools {
    /// The programs to use with a server, or an archive, of version `major`: of the same version or the next newer one,
    /// as they work with older servers, but not with newer ones.
    pub(super) async fn find(connection: &Connection, major: u32) -> Result<Self, Error> {
        let candidates: Vec<PathBuf> = match &connection.set.bin_dir {
            Some(dir) => vec![dir.clone()],
            None => {
                // Debian's and Red Hat's places first: on Debian what is in PATH is a wrapper that chooses by itself.
                let places = (major..major + 10)
                    .flat_map(|m| [format!("/usr/lib/postgresql/{m}/bin"), format!("/usr/pgsql-{m}/bin")])
                    .map(PathBuf::from);
                let path = std::env::var_os("PATH").unwrap_or_default();
                places.chain(std::env::split_paths(&path)).collect()
            }
        };
        let mut found = Vec::new();
        for dir in candidates {
            let (Some(dump), Some(restore)) = (version(&dir, "pg_dump").await, version(&dir, "pg_restore").await)
            else {
                continue;
            };
            let this = dump.min(restore);
            if this >= major {
                return Ok(Self { dir, major: this });
            }
            found.push(format!("{this} in {}", dir.display()));
        }
        let found = if found.is_empty() { "none was found".to_owned() } else { format!("found: {}", found.join(", ")) };
        Err(Error::Permanent(format!(
            "pg_dump and pg_restore of version {major} or newer are needed on this worker; {found}. Install the client \
             programs (Debian: postgresql-client-{major}) or set bin_dir of postgresql {:?}",
            connection.name
        )))
    }

    /// A command that logs in to `database` as the operator set it.
    pub(super) fn command(
        &self,
        program: &'static str,
        connection: &Connection,
        database: &str,
        step: StepId,
    ) -> Result<Command, Error> {
        let mut command = self.offline(program);
        command
            .arg("--no-password")
            .env("PGHOST", &connection.set.host)
            .env("PGPORT", connection.set.port.to_string())
            .env("PGUSER", &connection.set.user)
            .env("PGDATABASE", database)
            .env("PGAPPNAME", application_name(step))
            .env("PGOPTIONS", OPTIONS)
            .env("PGCONNECT_TIMEOUT", "10")
            .env("PGSSLMODE", connection.set.sslmode.as_str());
        if let Some(file) = &connection.set.sslrootcert {
            command.env("PGSSLROOTCERT", file);
        }
        if let Some(password) = connection.password(database)? {
            command.env("PGPASSWORD", password.expose_secret());
        }
        Ok(command)
    }

    /// A command that needs no server.
    pub(super) fn offline(&self, program: &'static str) -> Command {
        let mut command = Command::new(self.dir.join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command
    }
}

/// The major version that `program` says it has: `pg_dump (PostgreSQL) 15.18 (Debian …)`, `17beta1`.
async fn version(dir: &Path, program: &str) -> Option<u32> {
    let path = dir.join(program);
    if !dir.is_absolute() || !path.is_file() {
        return None;
    }
    let mut command = Command::new(path);
    command.arg("--version").env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.split_once("(PostgreSQL) ")?.1;
    number.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// How a child ended: what it warned of, or why it failed.
pub(super) type Ended = Result<Vec<String>, Error>;

/// A child at work.
pub(super) struct Child {
    ended: watch::Receiver<Option<Arc<Ended>>>,
    _kill: DropGuard,
}

impl Child {
    /// Starts `command`, whose stdin and stdout the caller has set, and watches it.
    pub(super) fn start(program: &'static str, mut command: Command) -> Result<Self, Error> {
        // Its own process group: a Ctrl-C at the terminal is for us to answer, in order.
        command.stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
        let mut child =
            command.spawn().map_err(|error| Error::transient(format!("{program} could not be started: {error}")))?;
        let stop = CancellationToken::new();
        let (tell, ended) = watch::channel(None);
        let stopped = stop.clone();
        let stderr = child.stderr.take();
        tokio::spawn(async move {
            let said = tokio::spawn(async move {
                match stderr {
                    Some(stderr) => head(stderr).await,
                    None => String::new(),
                }
            });
            let status = tokio::select! {
                status = child.wait() => status,
                () = stopped.cancelled() => {
                    // It may have ended by itself in the meantime.
                    let _ = child.start_kill();
                    child.wait().await
                }
            };
            let said = said.await.unwrap_or_default();
            let ended = match status {
                Ok(status) => judge(program, status, &said),
                Err(error) => Err(Error::transient(format!("{program} could not be waited for: {error}"))),
            };
            tell.send_replace(Some(Arc::new(ended)));
        });
        Ok(Self { ended, _kill: stop.drop_guard() })
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.as_deref().cloned().unwrap_or_else(|| Err(lost())),
            Err(_) => Err(lost()),
        }
    }

    /// For code without a runtime, such as a reader on a blocking thread: the end, when it comes.
    pub(super) fn end(&self) -> End {
        End { ended: self.ended.clone(), runtime: tokio::runtime::Handle::current() }
    }
}

/// The end of a child, to be waited for on a blocking thread.
pub(super) struct End {
    ended: watch::Receiver<Option<Arc<Ended>>>,
    runtime: tokio::runtime::Handle,
}

impl End {
    pub(super) fn wait(&mut self) -> Ended {
        match self.runtime.block_on(self.ended.wait_for(Option::is_some)) {
            Ok(ended) => ended.as_deref().cloned().unwrap_or_else(|| Err(lost())),
            Err(_) => Err(lost()),
        }
    }
}

/// The watching task is gone: the runtime is ending.
fn lost() -> Error {
    Error::transient("the worker is ending")
}

/// The first `STDERR` bytes; what comes after is read and dropped, so that the child doesn't stop at a full pipe.
async fn head(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stderr.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let room = STDERR.saturating_sub(kept.len()).min(count);
        kept.extend_from_slice(&buffer[..room]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// What a status and stderr together mean.
fn judge(program: &'static str, status: ExitStatus, stderr: &str) -> Ended {
    let prefix = format!("{program}: ");
    let said: Vec<&str> = stderr
        .lines()
        .map(str::trim_end)
        .filter_map(|line| line.strip_prefix(&prefix).or_else(|| line.strip_prefix("HINT:").map(str::trim)))
        // Where in the archive it was, and the banner above that: the error itself says which object it is about.
        .filter(|line| !line.starts_with("while ") && !line.starts_with("from TOC entry"))
        .filter(|line| !line.starts_with("detail: Query was") && !line.starts_with("detail: Command was"))
        .take(MESSAGES)
        .collect();
    if status.success() && !said.iter().any(|line| line.starts_with("error:") || line.starts_with("fatal:")) {
        return Ok(said.into_iter().map(|line| format!("{program}: {line}")).collect());
    }
    let how = match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    };
    let text = if said.is_empty() { "it said nothing".to_owned() } else { said.join("; ") };
    let reason = format!("{program} {how}: {text}");
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    Err(if has(&["max_locks_per_transaction"]) {
        Error::Permanent(format!(
            "{reason}. The database has more tables than the server's lock table has room for: raise \
             max_locks_per_transaction (a restart of the server)"
        ))
    } else if has(&["password authentication failed", "no password supplied"]) {
        Error::Permanent(reason)
    } else if status.code().is_none()
        || has(&[
            "server closed the connection",
            "connection to server",
            "terminating connection",
            "the database system is",
            "lock timeout",
            "deadlock detected",
            "too many clients",
            "No space left on device",
            "could not connect",
            "SSL connection has been closed",
            "no connection to the server",
            "could not receive data from server",
            "could not send data to server",
        ])
    {
        Error::transient(reason)
    } else if program == "pg_dump" {
        // Rights that are missing, pages that are damaged.
        Error::Unreadable(reason)
    } else {
        Error::Permanent(reason)
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn ended(status: i32, stderr: &str) -> Ended {
        judge("pg_dump", ExitStatus::from_raw(status << 8), stderr)
    }

    #[test]
    fn success_needs_both_status_and_silence_about_errors() {
        assert_eq!(ended(0, "").unwrap(), Vec::<String>::new());
        let circular = "pg_dump: warning: there are circular foreign-key constraints on this table:\nnoise\n";
        assert_eq!(ended(0, circular).unwrap().len(), 1);
        assert!(ended(0, "pg_dump: error: query failed: x").is_err());
        assert!(ended(1, "").unwrap_err().to_string().contains("status 1"));
    }

    #[test]
    fn statements_and_data_stay_out_of_errors() {
        let said = "pg_dump: while PROCESSING TOC:\npg_dump: from TOC entry 3; 1 2 USER MAPPING u\n\
             pg_dump: error: could not execute query: ERROR:  server \"s\" does not exist\n\
             Command was: CREATE USER MAPPING FOR u SERVER s OPTIONS (password 'hunter2');\nCONTEXT:  COPY t: \"row\"\n";
        let text = ended(1, said).unwrap_err().to_string();
        assert!(text.contains("server \"s\" does not exist") && !text.contains("hunter2") && !text.contains("row"));
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let gone = ended(1, "pg_dump: error: query failed: server closed the connection unexpectedly");
        assert!(matches!(gone, Err(Error::Transient { .. })));
        let locks = "pg_dump: error: query failed: ERROR:  out of shared memory\nHINT:  You might need to increase \
             max_locks_per_transaction.\n";
        assert!(matches!(ended(1, locks), Err(Error::Permanent(text)) if text.contains("restart")));
        let killed = judge("pg_dump", ExitStatus::from_raw(9), "");
        assert!(matches!(killed, Err(Error::Transient { reason, .. }) if reason.contains("signal 9")));
    }
}
