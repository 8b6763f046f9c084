//! `stack create`: registers a stack from a template whose resources name what exists already.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::client::{Client, output};
use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The stack's name
    name: String,
    /// The template, in YAML or JSON; "-" reads it from stdin
    #[arg(short, long, value_name = "FILE")]
    template: PathBuf,
    /// An environment file, in YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    environment: Option<PathBuf>,
    /// A parameter's value; may be given many times
    #[arg(short = 'P', long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// Tags, separated by commas
    #[arg(long)]
    tags: Option<String>,
    /// Wait until its resources were found
    #[arg(long)]
    wait: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is not NAME=VALUE".to_owned()),
    }
}

impl Create {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut body = json!({ "stack_name": self.name, "template": read(&self.template)? });
        if let Some(environment) = &self.environment {
            body["environment"] = Value::from(read(environment)?);
        }
        if !self.parameters.is_empty() {
            let parameters = self.parameters.into_iter().map(|(name, value)| (name, Value::from(value)));
            body["parameters"] = Value::Object(parameters.collect::<Map<_, _>>());
        }
        if let Some(tags) = self.tags {
            body["tags"] = Value::from(tags);
        }
        let reply = client.http.post(&["stacks"], Some(&body)).await?;
        let id = output::text(&reply.body["stack"]["id"]);
        let operation = reply.operation();
        if client.json {
            client.print_json(&reply.body, operation.as_deref());
        } else {
            client.print(&format!("stack {} is {id}\n", self.name));
        }
        match operation {
            Some(operation) if self.wait => client.wait(&operation).await.map(|_| ()),
            None if self.wait => Err(Failure::new(Exit::Unexpected, "the service named no operation to wait for")),
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| Failure::usage(format!("{}: can't be read: {error}", path.display())))
}
