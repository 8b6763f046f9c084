//! The key file: the repository's own key, locked by the project's password, as restic reads it (its `doc/design.rst`,
//! "Keys, Encryption and MAC").
//!
//! scrypt makes of the password and a random salt the 64 bytes that seal the key. It is meant to make guessing slow, but
//! there is nothing to guess here: the password is itself derived from 256 random bits (see [`super::keys`]). So it runs
//! with the least cost that is still of scrypt's recommended form, one MiB of memory. With restic's own choice every
//! opening by a worker, and a project's first snapshot twice, would take 128 MiB and half a second.

use rustic_core::repofile::{KeyFile, MasterKey};
use scrypt::Params;
use secrecy::{ExposeSecret, SecretString};

use super::Error;
use super::blob::{Key, random};

/// N = 2^10, r = 8, p = 1: 128 * N * r bytes of memory.
const LOG_N: u8 = 10;
const R: u32 = 8;
const P: u32 = 1;

/// The content of a key file that gives `master` to who has the password.
pub(super) fn make(master: &MasterKey, password: &SecretString) -> Result<Vec<u8>, Error> {
    let internal = |what: &str, error: &dyn std::fmt::Display| Error::Internal(format!("a key file: {what}: {error}"));
    let params = Params::new(LOG_N, R, P).map_err(|error| internal("scrypt", &error))?;
    let mut salt = vec![0; 64];
    random(&mut salt)?;
    let mut lock = [0; 64];
    scrypt::scrypt(password.expose_secret().as_bytes(), &salt, &params, &mut lock)
        .map_err(|error| internal("scrypt", &error))?;
    let plain = serde_json::to_vec(master).map_err(|error| internal("its key", &error))?;
    let file = KeyFile {
        hostname: None,
        username: None,
        created: None,
        kdf: "scrypt".to_owned(),
        n: 1 << LOG_N,
        r: R,
        p: P,
        data: Key::from_bytes(&lock).seal(&plain)?,
        salt,
    };
    serde_json::to_vec(&file).map_err(|error| internal("its text", &error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// rustic, which reads what restic writes, takes the key out with the password, and with no other. That it is the
    /// right one is shown where repositories are opened, by rustic and by restic.
    #[test]
    fn another_program_opens_it_with_the_password() {
        let content = make(&MasterKey::new(), &SecretString::from("a password")).unwrap();
        let file: KeyFile = serde_json::from_slice(&content).unwrap();
        assert_eq!((file.n, file.r, file.p, file.salt.len()), (1024, 8, 1, 64));
        assert!(file.key_from_password(&"a password").is_ok());
        assert!(file.key_from_password(&"another password").is_err());
    }

    #[test]
    fn no_two_are_alike() {
        let (master, password) = (MasterKey::new(), SecretString::from("a password"));
        assert_ne!(make(&master, &password).unwrap(), make(&master, &password).unwrap());
    }
}
