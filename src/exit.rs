//! How the program ends: one status for each kind of outcome, so that a script can tell them apart.

use std::fmt;
use std::process::ExitCode;

/// The statuses, as `stacksnap --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    /// The operation failed or was cancelled; or the command ran and did not succeed.
    Failed = 1,
    /// The command line, a file given on it or the configuration is wrong. Also clap's.
    Usage = 2,
    NotFound = 3,
    /// Who asks may not, or not now: 401, 403, 409, a limit, what the service finds wrong with the request.
    Refused = 4,
    /// The service can't be reached, or its store can't.
    Unreachable = 5,
    /// The service answered what this program does not understand, or failed by itself.
    Unexpected = 6,
    /// Ctrl-C while waiting; 128 + SIGINT, as shells count.
    Interrupted = 130,
}

pub const HELP: &str = "\
Exit status:
  0    done
  1    the operation failed or was cancelled
  2    wrong command line, file or configuration
  3    no such stack, snapshot or operation
  4    refused: no token, not allowed, not now, over a limit, not valid
  5    the service can't be reached
  6    the service failed, or answered what this program does not understand
  130  interrupted while waiting; what was asked for goes on";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked for: a status, and one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
