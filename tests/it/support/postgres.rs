//! A PostgreSQL server of the test's own, and what the operator would write of it.

use std::process::{Child, Command, Output, Stdio};

use stacksnap_worker::drivers::postgresql::server::Server;

pub struct Postgres(Server);

impl Postgres {
    pub fn start() -> Self {
        Self(Server::start(&[]).unwrap_or_else(|error| panic!("this test needs a PostgreSQL server: {error}")))
    }

    /// The connection `main`, for every project.
    pub fn config(&self) -> String {
        let (dir, port, _) = self.0.login();
        format!(
            "[postgresql.main]\nhost = {dir:?}\nport = {port}\nuser = 'postgres'\npassword_file = {:?}\nbin_dir = {:?}\n\
             sslmode = 'disable'\nprojects = ['*']\n",
            dir.join("password"),
            self.0.bin(),
        )
    }

    /// The directory of its socket.
    pub fn socket(&self) -> &std::path::Path {
        self.0.login().0
    }

    fn command(&self, program: &str, database: &str) -> Command {
        let (dir, port, password) = self.0.login();
        let mut command = Command::new(self.0.bin().join(program));
        command.args(["-h", dir.to_str().unwrap(), "-p", &port.to_string(), "-U", "postgres", "-d", database]);
        command.env("PGPASSWORD", password).env("LC_ALL", "C");
        command
    }

    fn run(&self, program: &str, database: &str, arguments: &[&str]) -> Output {
        self.command(program, database).args(arguments).output().unwrap()
    }

    /// A session that runs these statements and is killed by the caller. The server ends a statement whose client has
    /// gone within a second.
    pub fn session(&self, database: &str, statements: &str) -> Child {
        let mut command = self.command("psql", database);
        command.env("PGOPTIONS", "-c client_connection_check_interval=200ms");
        command.args(["-qAtX", "-c", statements]).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Runs statements; what they answer, without headings.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = self.run("psql", database, &["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statements]);
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// All that `pg_dump` has to say of a database.
    pub fn dump(&self, database: &str) -> String {
        let output = self.run("pg_dump", database, &["--create", "--restrict-key=test"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Databases of restores that are still there.
    pub fn leftovers(&self) -> String {
        self.sql("postgres", "SELECT string_agg(datname, ',') FROM pg_database WHERE datname LIKE 'stacksnap%'")
    }
}
