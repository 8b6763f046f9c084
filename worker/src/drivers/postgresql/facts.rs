//! What a dump doesn't say about a database, or says only together with `CREATE DATABASE`: its own properties, the roles
//! and extensions that its objects need, and how many objects of each kind there are.
//!
//! Read in the transaction whose snapshot `pg_dump` imports, so that both speak of the same moment, and kept in the
//! artifact. Restore makes the database from them and counts afterwards.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::connect::Session;
use crate::driver::Error;

/// The form of these records; a higher one was written by a newer version, whose meaning is not known here.
const FORM: u32 = 1;

/// Names of tables are kept as long as they fit into so many bytes.
const NAMES: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) form: u32,
    /// The connection, as the operator called it when the snapshot was taken.
    pub(super) server: String,
    pub(super) database: String,
    /// The server's major version.
    pub(super) major: u32,
    pub(super) server_version: String,
    /// The major version of `pg_dump`; an older `pg_restore` may not read the archive.
    #[serde(default)]
    pub(super) tools: u32,
    /// Bytes, as `pg_database_size` says: tables, indexes and all.
    pub(super) size: u64,
    pub(super) properties: Properties,
    pub(super) extensions: Vec<Extension>,
    /// Roles that the dump names: owners, grantees, those of policies, settings and user mappings.
    pub(super) roles: BTreeSet<String>,
    /// Those of them that own something in it.
    pub(super) owners: BTreeSet<String>,
    pub(super) tablespaces: BTreeSet<String>,
    pub(super) subscriptions: Vec<String>,
    pub(super) foreign_tables: u64,
    /// Whether there is a schema `public`: an empty database has one, and a dump doesn't say that it was dropped.
    pub(super) public_schema: bool,
    /// How many objects of each kind, without those that belong to extensions.
    pub(super) counts: BTreeMap<String, u64>,
    /// Tables, materialised views included, as `schema.name`, quoted where needed, sorted. None: too many to keep.
    pub(super) tables: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Properties {
    pub(super) owner: String,
    pub(super) encoding: String,
    pub(super) collate: String,
    pub(super) ctype: String,
    /// `c` (libc), `i` (ICU) or `b` (built in).
    pub(super) provider: String,
    /// The locale of the providers other than libc.
    pub(super) locale: Option<String>,
    pub(super) icu_rules: Option<String>,
    pub(super) tablespace: String,
    pub(super) connection_limit: i32,
    pub(super) allow_connections: bool,
    pub(super) is_template: bool,
    pub(super) comment: Option<String>,
    /// None: the default, which no one has changed.
    pub(super) acl: Option<Vec<Grant>>,
    pub(super) settings: Vec<Setting>,
    pub(super) labels: Vec<Label>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Grant {
    /// None: everybody.
    pub(super) grantee: Option<String>,
    pub(super) grantor: String,
    pub(super) privilege: String,
    pub(super) grantable: bool,
}

/// `ALTER DATABASE … SET`, or `ALTER ROLE … IN DATABASE … SET`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) role: Option<String>,
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Label {
    pub(super) provider: String,
    pub(super) label: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) version: String,
}

impl Facts {
    /// What an artifact keeps.
    pub(super) fn from_data(data: &Value) -> Result<Self, Error> {
        let form = data.get("form").and_then(Value::as_u64).unwrap_or(0);
        if form > u64::from(FORM) {
            return Err(Error::Unsupported(format!(
                "the artifact was made by a newer version (form {form}; this worker knows {FORM}): run a newer worker"
            )));
        }
        serde_json::from_value(data.clone())
            .map_err(|error| Error::permanent(format!("the artifact's data can't be read: {error}")))
    }

    /// Reads them in the session's transaction, of the session's database.
    pub(super) async fn read(session: &Session, server: &str) -> Result<Self, Error> {
        let doing = "reading the catalogue";
        let row = session.one(doing, DATABASE, &[]).await?;
        let (json, oid): (String, u32) = (row.get("row"), row.get("oid"));
        let db: Value = serde_json::from_str(&json).unwrap_or_default();
        let text = |key: &str| db.get(key).and_then(Value::as_str).map(str::to_owned);
        let flag = |key: &str, default| db.get(key).and_then(Value::as_bool).unwrap_or(default);
        let properties = Properties {
            owner: row.get("owner"),
            encoding: row.get("encoding"),
            collate: text("datcollate").unwrap_or_default(),
            ctype: text("datctype").unwrap_or_default(),
            provider: text("datlocprovider").unwrap_or_else(|| "c".to_owned()),
            locale: text("datlocale").or_else(|| text("daticulocale")),
            icu_rules: text("daticurules"),
            tablespace: row.get("tablespace"),
            connection_limit: db
                .get("datconnlimit")
                .and_then(Value::as_i64)
                .and_then(|n| n.try_into().ok())
                .unwrap_or(-1),
            allow_connections: flag("datallowconn", true),
            is_template: flag("datistemplate", false),
            comment: row.get("comment"),
            acl: match db.get("datacl") {
                None | Some(Value::Null) => None,
                Some(_) => Some(grants(session, oid).await?),
            },
            settings: settings(session, oid).await?,
            labels: labels(session, oid).await?,
        };
        let (roles, owners) = roles(session).await?;
        let extensions = session.query(doing, "SELECT extname, extversion FROM pg_extension ORDER BY 1", &[]).await?;
        let other = session.one(doing, OTHER, &[]).await?;
        let counts = counts(session).await?;
        Ok(Self {
            form: FORM,
            server: server.to_owned(),
            database: row.get("name"),
            major: session.major,
            server_version: row.get("version"),
            tools: 0,
            size: u64::try_from(row.get::<_, i64>("size")).unwrap_or(0),
            extensions: extensions.iter().map(|row| Extension { name: row.get(0), version: row.get(1) }).collect(),
            tablespaces: other.get::<_, Vec<String>>("tablespaces").into_iter().collect(),
            subscriptions: other.get("subscriptions"),
            foreign_tables: counts.get("foreign table").copied().unwrap_or(0),
            public_schema: other.get("public"),
            tables: tables(session).await?,
            roles: roles.into_iter().chain(properties.roles()).collect(),
            owners: owners.into_iter().chain([properties.owner.clone()]).collect(),
            properties,
            counts,
        })
    }
}

impl Properties {
    /// Roles that the database's own properties name.
    fn roles(&self) -> Vec<String> {
        let granted = self.acl.iter().flatten().flat_map(|grant| [grant.grantee.clone(), Some(grant.grantor.clone())]);
        let set = self.settings.iter().map(|setting| setting.role.clone());
        granted.chain(set).chain([Some(self.owner.clone())]).flatten().collect()
    }
}

const DATABASE: &str = "
    SELECT to_jsonb(d)::text AS row, d.oid, d.datname::text AS name, pg_get_userbyid(d.datdba)::text AS owner,
           pg_encoding_to_char(d.encoding)::text AS encoding, t.spcname::text AS tablespace,
           shobj_description(d.oid, 'pg_database') AS comment, pg_database_size(d.oid) AS size,
           current_setting('server_version') AS version
    FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = current_database()";

async fn grants(session: &Session, oid: u32) -> Result<Vec<Grant>, Error> {
    // The owner's own grants first: others pass on only what they were given.
    let sql = "
        SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee)::text END, pg_get_userbyid(a.grantor)::text,
               a.privilege_type, a.is_grantable
        FROM pg_database d, aclexplode(d.datacl) WITH ORDINALITY a (grantor, grantee, privilege_type, is_grantable, n)
        WHERE d.oid = $1 ORDER BY a.grantor <> d.datdba, a.n";
    let rows = session.query("reading the database's privileges", sql, &[&oid]).await?;
    let grant = |row: &tokio_postgres::Row| Grant {
        grantee: row.get(0),
        grantor: row.get(1),
        privilege: row.get(2),
        grantable: row.get(3),
    };
    Ok(rows.iter().map(grant).collect())
}

async fn settings(session: &Session, oid: u32) -> Result<Vec<Setting>, Error> {
    let sql = "
        SELECT CASE WHEN setrole <> 0 THEN pg_get_userbyid(setrole)::text END, c.item
        FROM pg_db_role_setting, unnest(setconfig) WITH ORDINALITY c (item, n) WHERE setdatabase = $1
        ORDER BY setrole, c.n";
    let rows = session.query("reading the database's settings", sql, &[&oid]).await?;
    let setting = |row: &tokio_postgres::Row| {
        let item: String = row.get(1);
        let (name, value) = item.split_once('=').unwrap_or((&item, ""));
        Setting { role: row.get(0), name: name.to_owned(), value: value.to_owned() }
    };
    Ok(rows.iter().map(setting).collect())
}

async fn labels(session: &Session, oid: u32) -> Result<Vec<Label>, Error> {
    let sql = "SELECT provider, label FROM pg_shseclabel WHERE classoid = 'pg_database'::regclass AND objoid = $1";
    let rows = session.query("reading the database's security labels", sql, &[&oid]).await?;
    Ok(rows.iter().map(|row| Label { provider: row.get(0), label: row.get(1) }).collect())
}

/// All roles that objects of this database name, and those that own some. The server notes these in `pg_shdepend`, but
/// for the role that it was initialised with, so that what that one owns is looked for in the catalogues themselves.
async fn roles(session: &Session) -> Result<(Vec<String>, Vec<String>), Error> {
    let sql = "
        WITH named AS (
            SELECT pg_get_userbyid(refobjid)::text AS role, deptype = 'o' AS owner FROM pg_shdepend
            WHERE refclassid = 'pg_authid'::regclass
              AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
            UNION ALL
            SELECT pg_get_userbyid(owned.owner)::text, true FROM (
                SELECT tableoid, oid, relowner AS owner FROM pg_class
                UNION ALL SELECT tableoid, oid, proowner FROM pg_proc
                UNION ALL SELECT tableoid, oid, nspowner FROM pg_namespace
                UNION ALL SELECT tableoid, oid, typowner FROM pg_type
                UNION ALL SELECT tableoid, oid, oprowner FROM pg_operator
                UNION ALL SELECT tableoid, oid, collowner FROM pg_collation
                UNION ALL SELECT tableoid, oid, lomowner FROM pg_largeobject_metadata
                UNION ALL SELECT tableoid, oid, fdwowner FROM pg_foreign_data_wrapper
                UNION ALL SELECT tableoid, oid, srvowner FROM pg_foreign_server
                UNION ALL SELECT tableoid, oid, evtowner FROM pg_event_trigger
                UNION ALL SELECT tableoid, oid, pubowner FROM pg_publication
                UNION ALL SELECT tableoid, oid, stxowner FROM pg_statistic_ext
            ) owned
            WHERE owned.oid >= 16384 AND owned.owner < 16384 AND owned.tableoid <> 'pg_type'::regclass
              AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = owned.tableoid AND e.objid = owned.oid
                                                        AND e.deptype = 'e'))
        SELECT role, bool_or(owner) FROM named GROUP BY role ORDER BY role";
    let rows = session.query("reading which roles the database names", sql, &[]).await?;
    let all = rows.iter().map(|row| row.get(0)).collect();
    let owners = rows.iter().filter(|row| row.get(1)).map(|row| row.get(0)).collect();
    Ok((all, owners))
}

const OTHER: &str = "
    SELECT ARRAY(SELECT spcname::text FROM pg_tablespace
                 WHERE spcname NOT IN ('pg_default', 'pg_global')
                   AND (oid IN (SELECT reltablespace FROM pg_class)
                        OR oid = (SELECT dattablespace FROM pg_database WHERE datname = current_database()))) AS tablespaces,
           ARRAY(SELECT subname::text FROM pg_subscription
                 WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) AS subscriptions,
           EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public') AS public";

/// How many objects there are of each kind: of what a dump brings, so without temporary ones, the system's and those of
/// extensions.
pub(super) async fn counts(session: &Session) -> Result<BTreeMap<String, u64>, Error> {
    let sql = "
        WITH mine AS (
            SELECT oid FROM pg_namespace
            WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'),
        extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
        objects AS (
            SELECT tableoid, oid, CASE relkind
                WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                WHEN 'm' THEN 'materialised view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                WHEN 'c' THEN 'composite type' WHEN 'i' THEN 'index' WHEN 'I' THEN 'partitioned index' END AS kind
            FROM pg_class WHERE relnamespace IN (SELECT oid FROM mine) AND relkind <> 't' AND relpersistence <> 't'
            UNION ALL
            SELECT tableoid, oid, 'function' FROM pg_proc WHERE pronamespace IN (SELECT oid FROM mine)
            UNION ALL
            SELECT tableoid, oid, CASE typtype WHEN 'd' THEN 'domain' WHEN 'e' THEN 'enum' ELSE 'range' END
            FROM pg_type WHERE typnamespace IN (SELECT oid FROM mine) AND typtype IN ('d', 'e', 'r')
            UNION ALL
            SELECT tableoid, oid, 'constraint' FROM pg_constraint
            WHERE connamespace IN (SELECT oid FROM mine) AND contype IN ('c', 'f', 'p', 'u', 'x')
            UNION ALL
            SELECT tableoid, oid, 'trigger' FROM pg_trigger WHERE NOT tgisinternal
            UNION ALL
            SELECT tableoid, oid, 'policy' FROM pg_policy
            UNION ALL
            SELECT 'pg_namespace'::regclass::oid, oid, 'schema' FROM mine
            UNION ALL
            SELECT tableoid, oid, 'large object' FROM pg_largeobject_metadata
            UNION ALL
            SELECT tableoid, oid, 'event trigger' FROM pg_event_trigger
            UNION ALL
            SELECT tableoid, oid, 'publication' FROM pg_publication
            UNION ALL
            SELECT tableoid, oid, 'extension' FROM pg_extension)
        SELECT kind, count(*) FROM objects o
        WHERE kind IS NOT NULL
          AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = o.tableoid AND e.objid = o.oid)
        GROUP BY kind";
    let rows = session.query("counting objects", sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), u64::try_from(row.get::<_, i64>(1)).unwrap_or(0))).collect())
}

/// Names of all tables, or nothing where they are too many.
pub(super) async fn tables(session: &Session) -> Result<Option<Vec<String>>, Error> {
    let sql = "
        SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
          AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
        ORDER BY format('%I.%I', n.nspname, c.relname) COLLATE \"C\" LIMIT 10000";
    let rows = session.query("reading the names of tables", sql, &[]).await?;
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok((names.len() < 10_000 && names.iter().map(String::len).sum::<usize>() <= NAMES).then_some(names))
}
