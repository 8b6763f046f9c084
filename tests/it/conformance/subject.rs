//! The server under test. The scenes know nothing else of it, so that they run against a registry of stacks as well as in
//! front of a Heat.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

/// Where stacks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Registry,
    Heat,
}

/// Who asks: the users of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Member of the project `demo`.
    Demo,
    /// Member of the project `alt`.
    Alt,
    /// Reader of `demo`.
    Reader,
    Admin,
}

/// The recording's projects.
pub const DEMO: &str = "028e7b4338874870a7655dcfc0cc91f5";
pub const ALT: &str = "5ab21f4abf524c80b8bfad509295151f";

#[async_trait]
pub trait Subject: Send + Sync {
    fn mode(&self) -> Mode;

    /// `http://127.0.0.1:port`.
    fn url(&self) -> String;

    fn token(&self, who: Who) -> String;

    /// What stands for one of the recording's projects.
    fn project(&self, recorded: &str) -> String;

    /// From now on what is asked for is accepted and not yet done: so what is shown in the meantime is no matter of luck.
    /// Nothing is running when it is called.
    async fn hold(&self);

    /// What was held goes on.
    async fn release(&self);

    /// A recorded request or answer, with what the server has not in place of a cloud's resources: the same in both, so
    /// that they are still compared.
    fn dress(&self, value: &mut Value);

    /// Takes away what a resource stands for, behind the server's back.
    async fn lose(&self, resource: &str);
}
