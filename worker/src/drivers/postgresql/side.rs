//! The side database: made as the facts say, filled from the archive, counted, and given everything that the database
//! itself had. It allows no connections by then, and its comment marks it as whole.

use std::io::PipeWriter;
use std::process::Stdio;

use super::connect::Session;
use super::facts::{self, Facts, Grant, Properties, Setting};
use super::program::{Child, Tools};
use super::quote::{ident, list, literal};
use super::settings::Connection;
use crate::driver::{Ctx, Error};

/// Settings whose value is a list of names; the server quotes each element (`GUC_LIST_QUOTE`, the same list as in
/// `pg_dump`'s `variable_is_guc_list_quote`; extensions can't add to it).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// What has to be the same in another major version too; other counts are compared within one version only.
const CORE: [&str; 10] = [
    "table",
    "partitioned table",
    "view",
    "materialised view",
    "sequence",
    "foreign table",
    "function",
    "schema",
    "large object",
    "extension",
];

/// Makes it, empty, with the encoding and the locale of the snapshot's.
pub(super) async fn create(session: &Session, side: &str, facts: &Facts) -> Result<(), Error> {
    let p = &facts.properties;
    let mut sql = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        ident(side),
        literal(&p.encoding),
        literal(&p.collate),
        literal(&p.ctype),
    );
    // Naming the server's default takes a right that leaving it out doesn't.
    if p.tablespace != "pg_default" {
        sql += &format!(" TABLESPACE {}", ident(&p.tablespace));
    }
    let locale = p.locale.as_deref().map(literal).unwrap_or_default();
    match p.provider.as_str() {
        "i" => sql += &format!(" LOCALE_PROVIDER icu ICU_LOCALE {locale}"),
        "b" => sql += &format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}"),
        _ if session.major >= 15 => sql += " LOCALE_PROVIDER libc",
        _ => {}
    }
    if let Some(rules) = &p.icu_rules {
        sql += &format!(" ICU_RULES {}", literal(rules));
    }
    session.run("creating the side database", &sql).await?;
    // Until it is whole, it is nobody's business. It has its owner from the start: what is restored into the schema
    // public may rely on the owner's rights there.
    let (name, owner) = (ident(side), ident(&p.owner));
    let private = format!("ALTER DATABASE {name} OWNER TO {owner}; REVOKE ALL ON DATABASE {name} FROM PUBLIC");
    session.run("closing the side database", &private).await
}

/// Removes what a new database has and the snapshot's had not: a dump doesn't say so.
pub(super) async fn clear(session: &Session, facts: &Facts) -> Result<(), Error> {
    if !facts.public_schema {
        session.run("dropping the schema public", "DROP SCHEMA public").await?;
    }
    let rows = session.query("reading extensions", "SELECT extname FROM pg_extension", &[]).await?;
    for name in rows.iter().map(|row| row.get::<_, String>(0)) {
        if !facts.extensions.iter().any(|extension| extension.name == name) {
            session.run("dropping an extension", &format!("DROP EXTENSION {}", ident(&name))).await?;
        }
    }
    Ok(())
}

/// A `pg_restore` that waits for the archive at its stdin.
pub(super) async fn filler(
    ctx: &Ctx,
    connection: &Connection,
    side: &str,
    facts: &Facts,
    server: u32,
) -> Result<(Child, PipeWriter), Error> {
    let tools = Tools::find(connection, server.max(facts.tools)).await?;
    let mut command = tools.command("pg_restore", connection, side, ctx.step)?;
    // A subscription would keep the database from being dropped, and would take the place of the one that is running.
    command.args(["--exit-on-error", "--format=custom", "--no-subscriptions"]).arg(format!("--dbname={side}"));
    // Nothing here has to outlive a crash before the swap, whose commit makes all before it durable.
    command.env("PGOPTIONS", format!("{} -c synchronous_commit=off", super::connect::OPTIONS));
    let (read, write) = std::io::pipe().map_err(|error| Error::transient(format!("no pipe: {error}")))?;
    command.stdin(Stdio::from(read)).stdout(Stdio::null());
    Ok((Child::start("pg_restore", command)?, write))
}

/// Counts what was restored.
pub(super) async fn check(session: &Session, facts: &Facts) -> Result<(), Error> {
    let counts = facts::counts(session).await?;
    let strict = session.major == facts.major;
    let kinds = facts.counts.keys().chain(counts.keys()).map(String::as_str);
    let mut wrong: Vec<String> = kinds
        .filter(|kind| strict || CORE.contains(kind))
        .map(|kind| (kind, facts.counts.get(kind).copied().unwrap_or(0), counts.get(kind).copied().unwrap_or(0)))
        .filter(|(_, then, now)| then != now)
        .map(|(kind, then, now)| format!("{kind}: {then} in the snapshot, {now} restored"))
        .collect();
    wrong.sort();
    wrong.dedup();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::Permanent(format!("the restored copy is not what was dumped: {}", wrong.join("; "))))
}

/// Gives the side database what the snapshot's had, closes it and marks it as whole: all or nothing.
pub(super) async fn adorn(session: &Session, side: &str, facts: &Facts, mark: &str) -> Result<(), Error> {
    let p = &facts.properties;
    let name = ident(side);
    let mut statements = vec!["BEGIN".to_owned()];
    statements.extend(privileges(&name, p));
    statements.extend(p.settings.iter().map(|setting| assignment(&name, setting)));
    for label in &p.labels {
        let (provider, text) = (ident(&label.provider), literal(&label.label));
        statements.push(format!("SECURITY LABEL FOR {provider} ON DATABASE {name} IS {text}"));
    }
    let limit = p.connection_limit;
    statements.push(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false CONNECTION LIMIT {limit}"));
    statements.push(format!("COMMENT ON DATABASE {name} IS {}", literal(mark)));
    statements.push("COMMIT".to_owned());
    let doing = "giving the restored copy its owner, privileges and settings";
    for statement in statements {
        if let Err(error) = session.run(doing, &statement).await {
            session.roll_back().await;
            return Err(error);
        }
    }
    Ok(())
}

fn privileges(name: &str, p: &Properties) -> Vec<String> {
    let Some(acl) = &p.acl else {
        return vec![format!("GRANT CONNECT, TEMPORARY ON DATABASE {name} TO PUBLIC")];
    };
    let mut statements = vec![format!("REVOKE ALL ON DATABASE {name} FROM {}", ident(&p.owner))];
    for Grant { grantee, grantor, privilege, grantable } in acl {
        let to = grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), ident);
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        let grant = format!("GRANT {privilege} ON DATABASE {name} TO {to}{option}");
        if *grantor == p.owner {
            statements.push(grant);
        } else {
            statements.extend([format!("SET LOCAL ROLE {}", ident(grantor)), grant, "RESET ROLE".to_owned()]);
        }
    }
    statements
}

fn assignment(name: &str, setting: &Setting) -> String {
    let whose = match &setting.role {
        Some(role) => format!("ROLE {} IN DATABASE {name}", ident(role)),
        None => format!("DATABASE {name}"),
    };
    let value = if LISTS.contains(&setting.name.as_str()) { list(&setting.value) } else { literal(&setting.value) };
    format!("ALTER {whose} SET {} TO {value}", ident(&setting.name))
}
