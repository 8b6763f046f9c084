//! What stands in the way of a restore, and what a person should know of it. Asked by the preview and by the restore
//! itself, before anything is made.

use super::connect::Session;
use super::facts::Facts;
use super::names;
use super::settings::Connection;
use crate::driver::Error;

#[derive(Debug, Default)]
pub(super) struct Obstacles {
    /// A restore is refused.
    pub(super) blockers: Vec<String>,
    pub(super) notes: Vec<String>,
    /// Whether the database is there.
    pub(super) exists: bool,
}

/// Asks the server, in a session of its maintenance database.
pub(super) async fn find(
    session: &Session,
    connection: &Connection,
    database: &str,
    facts: &Facts,
) -> Result<Obstacles, Error> {
    let mut found = Obstacles { exists: super::swap::exists(session, database).await?, ..Obstacles::default() };
    if let Some(reason) = names::refused(database, &connection.set.maintenance_database) {
        found.blockers.push(reason);
    }
    if session.major < facts.major {
        found.blockers.push(format!(
            "the snapshot was taken of PostgreSQL {}; the server is PostgreSQL {}, which is older",
            facts.major, session.major
        ));
    } else if session.major > facts.major {
        found.notes.push(format!("from PostgreSQL {} to PostgreSQL {}", facts.major, session.major));
    }
    let superuser = rights(session, facts, database, &mut found).await?;
    roles(session, facts, &mut found).await?;
    extensions(session, facts, superuser, &mut found).await?;
    tablespaces(session, facts, &mut found).await?;
    occupied(session, database, &mut found).await?;
    sessions(session, database, &mut found).await?;
    if !facts.subscriptions.is_empty() {
        let names = facts.subscriptions.join(", ");
        found.notes.push(format!("subscriptions are not made again: {names}"));
    }
    if facts.foreign_tables > 0 {
        found.notes.push(format!("{} foreign tables are made again; their data is elsewhere", facts.foreign_tables));
    }
    Ok(found)
}

/// What the connection's role may do. Whether it is a superuser.
async fn rights(session: &Session, facts: &Facts, database: &str, found: &mut Obstacles) -> Result<bool, Error> {
    let sql = "
        SELECT r.rolsuper, r.rolcreatedb, pg_is_in_recovery(), r.rolname::text,
               (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = $1),
               ARRAY(SELECT o.rolname::text FROM pg_roles o
                     WHERE o.rolname = ANY($2) AND NOT pg_has_role(o.oid, 'MEMBER') ORDER BY 1)
        FROM pg_roles r WHERE r.rolname = current_user";
    let owners: Vec<&str> = facts.owners.iter().map(String::as_str).collect();
    let row = session.one("asking for the role's rights", sql, &[&database, &owners]).await?;
    let (superuser, creates, recovery): (bool, bool, bool) = (row.get(0), row.get(1), row.get(2));
    let (role, owns, strangers): (String, Option<bool>, Vec<String>) = (row.get(3), row.get(4), row.get(5));
    if recovery {
        found.blockers.push("the server is a standby, which can't be written to".to_owned());
    }
    if !superuser && !creates {
        found.blockers.push(format!("role {role:?} may not create databases: ALTER ROLE … CREATEDB"));
    }
    if owns == Some(false) {
        found.blockers.push(format!("role {role:?} is no member of the role that owns the database"));
    }
    // pg_database_owner has no members of its own; the side database's owner is one.
    for owner in strangers.iter().filter(|owner| *owner != "pg_database_owner") {
        found
            .blockers
            .push(format!("role {role:?} is no member of role {owner:?}, which owns objects in the snapshot"));
    }
    Ok(superuser)
}

async fn roles(session: &Session, facts: &Facts, found: &mut Obstacles) -> Result<(), Error> {
    let sql = "SELECT name FROM unnest($1::text[]) name WHERE name NOT IN (SELECT rolname FROM pg_roles) ORDER BY 1";
    let wanted: Vec<&str> = facts.roles.iter().map(String::as_str).collect();
    let rows = session.query("looking for roles", sql, &[&wanted]).await?;
    let missing = rows.iter().map(|row| row.get::<_, String>(0));
    found.blockers.extend(missing.map(|role| format!("role {role:?} is missing on the server: create it first")));
    Ok(())
}

async fn extensions(session: &Session, facts: &Facts, superuser: bool, found: &mut Obstacles) -> Result<(), Error> {
    let sql = "
        SELECT w.name, w.version, e.default_version, v.superuser AND NOT v.trusted
        FROM unnest($1::text[], $2::text[]) w (name, version) LEFT JOIN pg_available_extensions e ON e.name = w.name
        LEFT JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
        ORDER BY w.name";
    let extensions = facts.extensions.iter();
    let (names, versions): (Vec<&str>, Vec<&str>) = extensions.map(|e| (e.name.as_str(), e.version.as_str())).unzip();
    let rows = session.query("looking for extensions", sql, &[&names, &versions]).await?;
    for row in rows {
        let (name, then): (String, String) = (row.get(0), row.get(1));
        let (now, privileged): (Option<String>, Option<bool>) = (row.get(2), row.get(3));
        match now {
            None => found.blockers.push(format!("extension {name:?} is not installed on the server's host")),
            Some(_) if privileged == Some(true) && !superuser && name != "plpgsql" => {
                found.blockers.push(format!("extension {name:?} can be created by a superuser only"));
            }
            Some(now) if now != then => {
                found.notes.push(format!("extension {name:?}: version {then} in the snapshot, {now} after"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

async fn tablespaces(session: &Session, facts: &Facts, found: &mut Obstacles) -> Result<(), Error> {
    let sql =
        "SELECT name FROM unnest($1::text[]) name WHERE name NOT IN (SELECT spcname FROM pg_tablespace) ORDER BY 1";
    let wanted: Vec<&str> = facts.tablespaces.iter().map(String::as_str).collect();
    let rows = session.query("looking for tablespaces", sql, &[&wanted]).await?;
    let missing = rows.iter().map(|row| row.get::<_, String>(0));
    found.blockers.extend(missing.map(|name| format!("tablespace {name:?} is missing on the server: create it first")));
    Ok(())
}

/// What keeps a database from being renamed or dropped and does not go away by ending sessions.
async fn occupied(session: &Session, database: &str, found: &mut Obstacles) -> Result<(), Error> {
    let sql = "
        SELECT 'prepared transaction ' || quote_literal(gid) || ': commit it or roll it back'
        FROM pg_prepared_xacts WHERE database = $1
        UNION ALL
        SELECT 'logical replication slot ' || quote_ident(slot_name) || ': drop it'
        FROM pg_replication_slots WHERE database = $1
        UNION ALL
        SELECT 'subscription ' || quote_ident(subname) || ': drop it'
        FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = $1)";
    let rows = session.query("looking for what holds the database", sql, &[&database]).await?;
    let holders = rows.iter().map(|row| row.get::<_, String>(0));
    found.blockers.extend(holders.map(|what| format!("the database can't be replaced while it has {what}")));
    Ok(())
}

async fn sessions(session: &Session, database: &str, found: &mut Obstacles) -> Result<(), Error> {
    // Ending a superuser's session takes a superuser; other roles' sessions membership, or pg_signal_backend.
    let sql = "
        SELECT count(*), array_remove(array_agg(DISTINCT coalesce(nullif(a.application_name, ''), a.usename, '?')), NULL)::text[],
               array_remove(array_agg(DISTINCT a.usename::text) FILTER (WHERE NOT coalesce(
                   me.rolsuper OR (NOT r.rolsuper AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))),
                   me.rolsuper)), NULL)
        FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid, pg_roles me
        WHERE me.rolname = current_user AND a.datname = $1 AND a.usesysid IS NOT NULL";
    let row = session.one("looking who is connected", sql, &[&database]).await?;
    let count: i64 = row.get(0);
    if count == 0 {
        return Ok(());
    }
    let mut who: Vec<String> = row.get::<_, Option<Vec<String>>>(1).unwrap_or_default();
    who.truncate(5);
    found.notes.push(format!("{count} sessions connected now will be ended ({})", who.join(", ")));
    for user in row.get::<_, Option<Vec<String>>>(2).unwrap_or_default() {
        found
            .blockers
            .push(format!("sessions of role {user:?} are connected, and the connection's role may not end them"));
    }
    Ok(())
}
