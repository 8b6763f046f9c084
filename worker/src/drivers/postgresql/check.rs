//! Can this database be protected? It is there, the role may read all of it, the programs are there; and what a person
//! should know beforehand.

use super::connect::{Session, application_name};
use super::program::Tools;
use super::settings::Connection;
use crate::driver::{Checked, Ctx, Error};

pub(super) async fn check(ctx: &Ctx, connection: &Connection, database: &str) -> Result<Checked, Error> {
    let session = Session::open(connection, database, &application_name(ctx.step)).await?;
    Tools::find(connection, session.major).await?;
    let mut checked = Checked::default();
    role(&session, &mut checked).await?;
    readable(&session).await?;
    contents(&session, &mut checked).await?;
    Ok(checked)
}

async fn role(session: &Session, checked: &mut Checked) -> Result<(), Error> {
    let sql = "
        SELECT r.rolname::text, r.rolsuper, r.rolcreatedb, pg_is_in_recovery(), pg_has_role(d.datdba, 'USAGE')
        FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()";
    let row = session.one("asking for the role's rights", sql, &[]).await?;
    let (role, superuser, creates): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
    let (standby, owns): (bool, bool) = (row.get(3), row.get(4));
    if standby {
        return Err(Error::Permanent(
            "the server is a standby: it can't export a snapshot; name the primary in the connection".to_owned(),
        ));
    }
    if !(superuser || creates && owns) {
        checked.warnings.push(format!(
            "role {role:?} can take snapshots, but not restore: that needs CREATEDB and membership in the owner's role"
        ));
    }
    Ok(())
}

/// `pg_dump` reads everything or fails.
async fn readable(session: &Session) -> Result<(), Error> {
    let sql = "
        WITH mine AS (
            SELECT oid, nspname FROM pg_namespace
            WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)')
        SELECT 'schema ' || quote_ident(nspname) FROM mine WHERE NOT has_schema_privilege(oid, 'USAGE')
        UNION ALL
        SELECT format('table %I.%I', nspname, relname) FROM pg_class c JOIN mine ON mine.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'm', 'f', 'S') AND relpersistence <> 't' AND NOT CASE
            WHEN relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END
        UNION ALL
        SELECT format('table %I.%I (its row security hides rows from this role: BYPASSRLS)', nspname, relname)
        FROM pg_class c JOIN mine ON mine.oid = relnamespace
        WHERE relkind IN ('r', 'p') AND relrowsecurity AND row_security_active(c.oid)
        UNION ALL
        SELECT 'large object ' || l.oid FROM pg_largeobject_metadata l, pg_roles me
        WHERE me.rolname = current_user AND NOT me.rolsuper AND NOT pg_has_role(lomowner, 'USAGE')
          AND NOT EXISTS (SELECT FROM aclexplode(l.lomacl) a WHERE a.privilege_type = 'SELECT'
                          AND CASE WHEN a.grantee = 0 THEN true ELSE pg_has_role(a.grantee, 'USAGE') END)
        LIMIT 6";
    let rows = session.query("asking what the role may read", sql, &[]).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if names.len() > 5 {
        names[5] = "and more".to_owned();
    }
    Err(Error::Unreadable(format!(
        "the connection's role may not read all of the database: {}. Grant it pg_read_all_data, or make it a superuser",
        names.join(", ")
    )))
}

async fn contents(session: &Session, checked: &mut Checked) -> Result<(), Error> {
    let sql = "
        SELECT (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'S', 'v', 'm', 'f') AND oid >= 16384),
               (SELECT count(*) FROM pg_foreign_table),
               (SELECT count(*) FROM pg_subscription WHERE subdbid = d.oid),
               (SELECT count(*) FROM pg_replication_slots WHERE database = d.datname),
               current_setting('max_locks_per_transaction')::int8
                   * (current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8)
        FROM pg_database d WHERE datname = current_database()";
    let row = session.one("looking what is in the database", sql, &[]).await?;
    let count = |at: usize| row.get::<_, i64>(at);
    let mut warn = |text: String| checked.warnings.push(text);
    if count(1) > 0 {
        warn(format!("{} foreign tables: their data is elsewhere and is not protected", count(1)));
    }
    if count(2) > 0 {
        warn(format!("{} subscriptions: a restore needs them dropped before and does not make them again", count(2)));
    }
    if count(3) > 0 {
        warn(format!("{} logical replication slots: a restore needs them dropped before", count(3)));
    }
    if count(0) > count(4) {
        warn(format!(
            "{} tables and the like, and room for about {} locks: a dump needs one each, so raise max_locks_per_transaction",
            count(0),
            count(4)
        ));
    }
    Ok(())
}
