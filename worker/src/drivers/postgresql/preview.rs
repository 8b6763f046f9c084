//! What a restore would do: tables that are in both are overwritten, those of the snapshot only are made, those of the
//! database only are gone afterwards. The whole database is replaced in any case.

use std::collections::BTreeSet;

use stacksnap_common::types::{Artifact, Preview};

use super::connect::{Session, application_name};
use super::facts::{self, Facts};
use super::obstacles::{self, Obstacles};
use super::settings::Connection;
use crate::driver::{Ctx, Error};

/// Of names, so many are shown.
const SAMPLE: usize = 100;

/// The preview, and whether anything stands in the way. `session` is one of the maintenance database.
pub(super) async fn preview(
    ctx: &Ctx,
    session: &Session,
    connection: &Connection,
    database: &str,
    facts: &Facts,
    artifact: &Artifact,
) -> Result<Preview, Error> {
    let Obstacles { blockers, mut notes, exists } = obstacles::find(session, connection, database, facts).await?;
    let mut preview = Preview { bytes: artifact.bytes, blockers, ..Preview::default() };
    if exists {
        match current(ctx, connection, database).await {
            Ok((tables, size)) => {
                compare(&mut preview, facts, tables);
                notes.push(format!("the database has {size} bytes now and is dropped after the swap"));
            }
            // It is replaced whole; that its tables can't be listed takes only their names from the preview.
            Err(error @ (Error::Permanent(_) | Error::Unsupported(_) | Error::Unreadable(_))) => {
                preview.overwrites = 1;
                preview.sample = vec![format!("overwrite database {database:?}")];
                notes.push(format!("what is in the database now can't be listed: {error}"));
            }
            Err(error) => return Err(error),
        }
    } else {
        preview.creates = 1 + count(facts);
        preview.sample = vec![format!("create database {database:?}")];
    }
    notes.push(format!(
        "beside the database a second one of about {} bytes is filled before the swap; whether the server has that much \
         free space can't be known from here",
        facts.size
    ));
    preview.notes = notes;
    Ok(preview)
}

/// How many tables the snapshot has.
fn count(facts: &Facts) -> u64 {
    let kinds = ["table", "partitioned table", "materialised view", "foreign table"];
    kinds.iter().filter_map(|kind| facts.counts.get(*kind)).sum()
}

/// The names of the tables that are there now, if they are few enough, and the database's size in bytes.
async fn current(ctx: &Ctx, connection: &Connection, database: &str) -> Result<(Option<Vec<String>>, i64), Error> {
    let session = Session::open(connection, database, &application_name(ctx.step)).await?;
    let size = session.one("asking for the size", "SELECT pg_database_size(current_database())", &[]).await?;
    Ok((facts::tables(&session).await?, size.get(0)))
}

fn compare(preview: &mut Preview, facts: &Facts, now: Option<Vec<String>>) {
    let (Some(then), Some(now)) = (&facts.tables, now) else {
        preview.overwrites = count(facts);
        preview.notes.push("the tables are too many to be compared by name".to_owned());
        return;
    };
    let then: BTreeSet<&str> = then.iter().map(String::as_str).collect();
    let now: BTreeSet<&str> = now.iter().map(String::as_str).collect();
    let (create, remove, both) = (&then - &now, &now - &then, &then & &now);
    preview.creates = create.len() as u64;
    preview.removes = remove.len() as u64;
    preview.overwrites = both.len() as u64;
    let lines = |word: &'static str, names: BTreeSet<&str>| -> Vec<String> {
        names.into_iter().map(|name| format!("{word} table {name}")).collect()
    };
    // What would be lost comes first.
    let all = lines("remove", remove).into_iter().chain(lines("create", create)).chain(lines("overwrite", both));
    preview.sample = all.take(SAMPLE).collect();
}
