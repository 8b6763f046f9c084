//! A database with something of everything, made in front of the tests' eyes.

use super::*;

pub(super) const OBJECTS: &str = r#"
    CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore;
    CREATE SCHEMA "we ird; --" AUTHORIZATION rich_owner;
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TYPE span AS RANGE (subtype = float8);
    CREATE TYPE pair AS (a int, b text);
    CREATE TABLE people (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        mood mood DEFAULT 'glad',
        tags hstore,
        lower_name text GENERATED ALWAYS AS (lower(name)) STORED,
        age positive,
        UNIQUE (name));
    COMMENT ON TABLE people IS 'it''s "people"';
    COMMENT ON COLUMN people.name IS E'a\nb';
    CREATE INDEX people_trgm ON people USING gin (name gin_trgm_ops);
    CREATE STATISTICS people_st ON name, mood FROM people;
    INSERT INTO people (name, tags, age) SELECT 'Näme ' || n, hstore('k', n::text), n FROM generate_series(1, 500) n;
    CREATE TABLE orders (
        id bigserial, person int REFERENCES people ON DELETE CASCADE, at timestamptz, note bytea)
        PARTITION BY RANGE (at);
    CREATE TABLE orders_2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
    CREATE INDEX ON orders (person);
    INSERT INTO orders (person, at, note)
        SELECT 1 + n % 500, timestamptz '2025-11-01Z' + n * interval '1 hour', decode(md5(n::text), 'hex')
        FROM generate_series(1, 3000) n;
    CREATE TABLE node (id int PRIMARY KEY, parent int REFERENCES node);
    INSERT INTO node VALUES (1, 2), (2, 1);
    CREATE VIEW glad AS SELECT * FROM people WHERE mood = 'glad' WITH CHECK OPTION;
    CREATE MATERIALIZED VIEW counts AS SELECT mood, count(*) FROM people GROUP BY 1;
    CREATE UNLOGGED TABLE cache (k text, v text);
    INSERT INTO cache VALUES ('a', 'b');
    CREATE TABLE "we ird; --"."ta""ble'; --" ("co""l" text);
    INSERT INTO "we ird; --"."ta""ble'; --" VALUES (E'tab\tnewline\n\\.');
    ALTER TABLE "we ird; --"."ta""ble'; --" OWNER TO rich_owner;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.name := NEW.name || '!'; RETURN NEW; END$$;
    CREATE TRIGGER touch BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE FUNCTION add(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + b;
    CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
    CREATE RULE silent AS ON DELETE TO cache DO INSTEAD NOTHING;
    CREATE TABLE secrets (owner text, what text);
    INSERT INTO secrets VALUES ('rich_owner', 'x'), ('other', 'y');
    ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON secrets FOR SELECT TO rich_reader USING (owner = current_user);
    GRANT SELECT ON people, secrets TO rich_reader; GRANT SELECT (name) ON people TO PUBLIC;
    ALTER DEFAULT PRIVILEGES FOR ROLE rich_owner IN SCHEMA public GRANT SELECT ON TABLES TO rich_reader;
    CREATE SEQUENCE backwards INCREMENT -3 MAXVALUE 100 START 100 CACHE 5 CYCLE;
    SELECT nextval('backwards'), nextval('backwards');
    CREATE SEQUENCE never_used;
    SELECT setval('people_id_seq', 777, false);
    SELECT lo_from_bytea(70001, decode(repeat('00ff5c0a', 20000), 'hex'));
    SELECT lo_from_bytea(70002, '');
    COMMENT ON LARGE OBJECT 70001 IS 'big'; ALTER LARGE OBJECT 70002 OWNER TO rich_owner;
    CREATE PUBLICATION pub FOR TABLE people;
    CREATE COLLATION german (provider = icu, locale = 'de-u-kn-true');
    CREATE TABLE words (w text COLLATE german); INSERT INTO words VALUES ('a10'), ('a9');
    CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
    CREATE USER MAPPING FOR rich_reader SERVER nowhere OPTIONS (password 'hunter2');
    CREATE FOREIGN TABLE far (n int) SERVER nowhere;
    CREATE FUNCTION watched() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN END$$;
    CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watched();
"#;

/// What the database itself has, beside its objects.
fn properties(database: &str) -> String {
    let name = super::super::quote::ident(database);
    format!(
        r#"
        ALTER DATABASE {name} OWNER TO rich_owner;
        ALTER DATABASE {name} CONNECTION LIMIT 17;
        ALTER DATABASE {name} SET search_path TO public, "we ird; --";
        ALTER DATABASE {name} SET work_mem TO '12345kB';
        ALTER DATABASE {name} SET "app.motto" TO 'it''s "so" \ , =x';
        ALTER DATABASE {name} SET default_transaction_read_only TO off;
        ALTER ROLE rich_reader IN DATABASE {name} SET statement_timeout TO '7s';
        REVOKE ALL ON DATABASE {name} FROM PUBLIC;
        GRANT CONNECT ON DATABASE {name} TO rich_reader WITH GRANT OPTION;
        SET ROLE rich_reader; GRANT CONNECT ON DATABASE {name} TO rich_other; RESET ROLE;
        COMMENT ON DATABASE {name} IS 'it''s mine';
    "#
    )
}

/// Makes the database of `rig` a rich one. The roles are the server's, made once.
pub(super) async fn fill(rig: &Rig) {
    for role in ["rich_owner", "rich_reader", "rich_other"] {
        let sql = format!(
            "DO $$BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END$$"
        );
        rig.admin(&sql).await;
    }
    rig.sql(OBJECTS).await;
    rig.admin(&properties(&rig.database)).await;
}
