//! The client for people who have no OpenStack client at hand: it speaks to a running service over HTTP and knows
//! nothing of its inside. What Heat's API has is asked as Heat's own clients ask: a stack's name is looked up first
//! (302 to name and id), then used with both. `--json` prints what the service answered.

pub mod http;
pub mod operation;
pub mod output;
pub mod snapshot;
pub mod stack;
mod wait;

use std::io::{IsTerminal, Write, stdin, stdout};

use serde_json::Value;
use stacksnap_common::config::Secret;

use crate::exit::{Exit, Failure};

/// Where the service is and who asks.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Service")]
pub struct Target {
    /// The service's address
    #[arg(long, env = "STACKSNAP_URL", default_value = "http://127.0.0.1:8004", global = true)]
    url: String,
    /// What the service knows the caller by; better given by the variable, which other users can't see
    #[arg(long, env = "STACKSNAP_TOKEN", hide_env_values = true, value_parser = secret, global = true)]
    token: Option<Secret>,
    /// The project to work in
    #[arg(long, env = "STACKSNAP_PROJECT", default_value = "default", global = true)]
    project: String,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    /// Show no progress while waiting
    #[arg(long, short, global = true)]
    quiet: bool,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    text.parse()
}

pub struct Client {
    pub(crate) http: http::Http,
    json: bool,
    quiet: bool,
}

/// A stack by both of its names.
#[derive(Debug, Clone)]
struct Stack {
    name: String,
    id: String,
}

impl Client {
    pub fn new(target: Target) -> Result<Self, Failure> {
        let token = target.token.filter(|token| !token.expose().is_empty());
        let http = http::Http::new(&target.url, token, target.project)?;
        Ok(Self { http, json: target.json, quiet: target.quiet })
    }

    /// One that shows nothing by itself, without a token; for the demo.
    pub fn quiet(url: &str, project: &str) -> Result<Self, Failure> {
        Ok(Self { http: http::Http::new(url, None, project.to_owned())?, json: false, quiet: true })
    }

    /// Finds a stack by its name or its id.
    async fn stack(&self, name_or_id: &str) -> Result<Stack, Failure> {
        let reply = self.http.get(&["stacks", name_or_id], &[]).await?;
        let (name, id) = reply.location().ok_or_else(|| {
            Failure::new(
                Exit::Unexpected,
                format!(
                    "looking up stack {name_or_id:?} gave {} without a location; is this stacksnap or Heat?",
                    reply.status
                ),
            )
        })?;
        Ok(Stack { name, id })
    }

    /// To stdout; that nobody reads it any more is no failure of ours.
    fn print(&self, text: &str) {
        let _ = stdout().write_all(text.as_bytes());
    }

    /// The answer to a change with the operation that it began, for `--json`.
    fn print_json(&self, body: &Value, operation: Option<&str>) {
        let mut body = body.clone();
        if let (Some(object), Some(operation)) = (body.as_object_mut(), operation) {
            object.insert("operation".to_owned(), Value::from(operation));
        } else if let (Value::Null, Some(operation)) = (&body, operation) {
            body = serde_json::json!({ "operation": operation });
        }
        self.print(&output::json(&body));
    }

    /// Asks before what can't be undone, unless `yes` was given. Without a terminal nobody can be asked.
    fn confirm(&self, yes: bool, question: &str) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !stdin().is_terminal() {
            return Err(Failure::usage(format!("{question} Add --yes to do it without being asked.")));
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        let read = stdin().read_line(&mut answer);
        match (read, answer.trim().to_lowercase().as_str()) {
            (Ok(_), "y" | "yes") => Ok(()),
            _ => Err(Failure::failed("nothing was done")),
        }
    }
}
