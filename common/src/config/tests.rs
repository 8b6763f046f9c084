#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::time::Duration;

use super::*;

fn from_file(text: &str) -> Result<Config, Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    load(&Sources { file: Some(file.path().to_owned()), ..Sources::default() })
}

fn from_environment(pairs: &[(&str, &str)]) -> Result<Config, Error> {
    let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&Sources { environment, ..Sources::default() })
}

fn message(result: Result<Config, Error>) -> String {
    result.unwrap_err().to_string()
}

/// The default file says what `Config::default()` says, names every key (a missing one would fail to be read) and no
/// other (`deny_unknown_fields`), and says something about each.
#[test]
fn the_default_file_is_the_default() {
    assert_eq!(load(&Sources::default()).unwrap(), Config::default());
    let mut commented = false;
    for line in DEFAULT.lines() {
        match line.trim() {
            "" => commented = false,
            line if line.starts_with('#') => commented = true,
            // A short group of keys stands under one comment.
            line => assert!(commented, "nothing is said about {line:?}"),
        }
    }
}

/// The example of a connection, uncommented, is what a connection is without it.
#[test]
fn the_example_of_a_connection_is_read() {
    let example: String = DEFAULT
        .lines()
        .skip_while(|line| !line.starts_with("# [postgresql.main]"))
        .map(|line| format!("{}\n", line.trim_start_matches("# ")))
        .collect();
    let main = from_file(&example).unwrap().postgresql.remove("main").unwrap();
    let bare = from_file("[postgresql.main]\nuser = 'stacksnap'").unwrap().postgresql.remove("main").unwrap();
    assert_eq!(main, bare);
    assert_eq!(example.matches(" = ").count(), postgresql::KEYS.len());
    assert!(!main.projects.allows(&"alpha".parse().unwrap()), "nobody may use a server that names nobody");
}

#[test]
fn later_sources_win() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "listen = '127.0.0.1:1'\nslots = 1\n[worker]\nlease = '20s'\nrenew = '4s'").unwrap();
    let environment = vec![
        ("STACKSNAP_CONFIG".to_owned(), file.path().to_str().unwrap().to_owned()),
        ("STACKSNAP_LISTEN".to_owned(), "127.0.0.1:2".to_owned()),
        ("STACKSNAP_SLOTS".to_owned(), "2".to_owned()),
        ("STACKSNAP_WORKER__RENEW".to_owned(), "5s".to_owned()),
        ("STACKSNAP_TOKEN".to_owned(), "of the client".to_owned()),
        ("UNRELATED".to_owned(), "x".to_owned()),
    ];
    let flags = vec![("slots", "3".to_owned())];
    let config = load(&Sources { file: None, environment, flags }).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.slots.count(), 3);
    assert_eq!((config.worker.lease, config.worker.renew), (Duration::from_secs(20), Duration::from_secs(5)));
    assert_eq!(config.worker.cut, 32);
}

#[test]
fn lists_come_from_anywhere() {
    let roots = ["/srv".parse().unwrap(), "alpha=/data".parse().unwrap()];
    assert_eq!(from_file("directory_root = ['/srv', 'alpha=/data']").unwrap().directory_root, roots);
    assert_eq!(from_environment(&[("STACKSNAP_DIRECTORY_ROOT", "/srv, alpha=/data")]).unwrap().directory_root, roots);
    let flags = vec![("directory_root", "/srv".to_owned()), ("directory_root", "alpha=/data".to_owned())];
    assert_eq!(load(&Sources { flags, ..Sources::default() }).unwrap().directory_root, roots);
    let pools = from_environment(&[("STACKSNAP_WORKER__POOLS", "a,b")]).unwrap().worker.pools;
    assert_eq!(pools, ["a".parse().unwrap(), "b".parse().unwrap()]);
}

#[test]
fn a_connection_comes_from_the_environment_too() {
    let config = from_environment(&[
        ("STACKSNAP_POSTGRESQL__MAIN__USER", "stacksnap"),
        ("STACKSNAP_POSTGRESQL__MAIN__PASSWORD", "quiet"),
        ("STACKSNAP_POSTGRESQL__MAIN__PORT", "5433"),
        ("STACKSNAP_POSTGRESQL__MAIN__PROJECTS", "alpha"),
    ])
    .unwrap();
    let main = &config.postgresql["main"];
    assert_eq!((main.port, main.password.as_ref().unwrap().expose()), (5433, "quiet"));
    assert!(main.projects.allows(&"alpha".parse().unwrap()) && !main.projects.allows(&"beta".parse().unwrap()));
    assert!(!format!("{config:?}").contains("quiet"));
}

#[test]
fn an_unknown_key_names_itself_and_the_nearest() {
    let text = message(from_file("listn = '127.0.0.1:1'"));
    assert!(text.ends_with("unknown key listn; did you mean listen?"), "{text}");
    let text = message(from_file("[worker]\nleese = '10s'"));
    assert!(text.ends_with("unknown key worker.leese; did you mean worker.lease?"), "{text}");
    let text = message(from_file("lease = '10s'"));
    assert!(text.ends_with("unknown key lease; did you mean worker.lease?"), "{text}");
    let text = message(from_file("[postgresql.main]\nuser = 'me'\npasword = 'x'"));
    assert!(text.ends_with("unknown key postgresql.main.pasword; did you mean postgresql.main.password?"), "{text}");
    let text = message(from_environment(&[("STACKSNAP_WORKER__LEESE", "1s"), ("STACKSNAP_ZZZZZZZZ", "1")]));
    assert_eq!(
        text,
        "variable STACKSNAP_WORKER__LEESE: unknown key STACKSNAP_WORKER__LEESE; did you mean STACKSNAP_WORKER__LEASE?\n\
         variable STACKSNAP_ZZZZZZZZ: unknown key STACKSNAP_ZZZZZZZZ"
    );
}

#[test]
fn a_wrong_value_is_one_line_with_its_key_and_place() {
    for (text, expected) in [
        ("slots = 'many'", "slots: is string \"many\", not an integer"),
        ("slots = 4.7", "slots takes a whole number"),
        ("slots = 70000", "slots: is 64-bit unsigned integer `70000`, not an unsigned 16 bit integer"),
        ("listen = '8004'", "listen: invalid socket address syntax"),
        ("[worker]\nlease = 'soon'", "worker.lease: \"soon\" is not a duration"),
        ("[limits]\nbody = '1MB'", "limits.body: \"1MB\" is not a size"),
        ("directory_root = ['/srv', 'data']", "directory_root[1]: \"data\" is not [PROJECT=]PATH"),
        ("[worker]\npools = ['a b']", "worker.pools[0]: pool \"a b\" is not valid"),
        ("worker = 3", "worker is a table of keys, not a value"),
        ("[slots]\nx = 1", "slots takes a value, not a table of keys"),
        ("[telemetry]\nformat = 'xml'", "telemetry.format"),
        ("redis = 'user:secret@host'", "redis: is not a URL"),
        ("listen = ", "TOML parse error at line 1"),
        ("[postgresql.main]\nport = 1", "user"),
    ] {
        let found = message(from_file(text));
        assert!(found.contains(expected), "{text:?} gave {found:?}");
        assert!(found.starts_with("config file ") || found.starts_with("missing"), "{found}");
        assert!(!found.contains('\n') && !found.contains("secret"), "{found}");
    }
    let found = message(from_environment(&[("STACKSNAP_SLOTS", "many")]));
    assert_eq!(found, "variable STACKSNAP_SLOTS: slots: is string \"many\", not an integer");
    let missing = load(&Sources { file: Some("/nowhere/at/all.toml".into()), ..Sources::default() });
    assert!(message(missing).starts_with("config file /nowhere/at/all.toml: can't be read"));
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (text, expected) in [
        ("listen = '0.0.0.0:8004'", "without authentication only a loopback address"),
        ("[worker]\nlease = '6s'", "not more than twice worker.renew"),
        ("[store]\nshards = 0", "store.shards is not 1 to 1024"),
        ("[store]\nshards = 1025", "store.shards is not 1 to 1024"),
        ("redis = 'http://x'", "redis is not a redis:// or rediss:// URL"),
        ("amqp = 'redis://x'", "amqp is not an amqp:// or amqps:// URL"),
        ("[vault]\npath = '/v'\n[vault.s3]\nbucket = 'b'", "keep one"),
        ("[vault]\nmaster_key = 'abc'", "exactly 64 hexadecimal digits"),
        ("[vault.s3]\nbucket = 'b'\naccess_key = 'a'", "go together"),
        ("[worker]\npools = ['a', 'a']", "names a pool twice"),
        ("[limits]\nwindow = 0", "limits.window is 0"),
        ("[postgresql.a]\nuser = 'u'\npassword = 'p'\npassfile = '/p'", "postgresql.a has more than one of password"),
        ("[postgresql.a]\nuser = 'u'\nsslmode = 'verify-full'", "postgresql.a.sslmode: verify-ca and verify-full need"),
        ("[postgresql.a]\nuser = 'u'\nhost = '/run'\nsslmode = 'require'", "postgresql.a.sslmode: a Unix socket"),
        ("slots = 1001", "slots is not 0 to 1000"),
        ("auth = 'keystone'", "keystone.auth_url is not set"),
        ("auth = 'keystone'", "keystone.password_file is not set"),
        ("[keystone]\nauth_url = 'ldap://x'", "keystone.auth_url is not an http:// or https:// URL"),
        (
            "[keystone]\npassword = 'a'\npassword_file = '/b'",
            "keystone.password and keystone.password_file are both set",
        ),
        ("[keystone]\napplication_credential_id = 'a'", "keystone.application_credential_id and keystone.application"),
        ("[keystone]\ncache = '6min'", "keystone.cache is longer than 5min"),
    ] {
        let found = message(from_file(text));
        assert!(found.contains(expected), "{text:?} gave {found:?}");
    }
    // All findings at once, a line each.
    assert_eq!(message(from_file("[store]\nshards = 0\n[worker]\nattempts = 0")).lines().count(), 2);
    assert!(from_file("listen = '0.0.0.0:8004'\nauth = '/etc/stacksnap/tokens'").is_ok());
}

#[test]
fn separate_processes_need_what_they_meet_in() {
    let config = Config::default();
    assert!(config.problems_of(Role::Serve).is_empty());
    assert_eq!(config.problems_of(Role::Api).len(), 2);
    assert_eq!(config.problems_of(Role::Worker).len(), 4);
}
