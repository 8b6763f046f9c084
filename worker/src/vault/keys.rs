//! The operator's master key, and the passwords made from it.
//!
//! Every project's repository has its own password, so that one project's key opens nothing else. It is derived, never
//! stored. Another program gets the same text by (RFC 5869, all texts are ASCII, `‖` is concatenation):
//!
//! ```text
//! key      = HKDF-SHA256(ikm  = the 32 bytes of the master key,
//!                        salt = "stacksnap vault",
//!                        info = "restic password" ‖ 0x00 ‖ project id ‖ 0x00 ‖ key generation in decimal,
//!                        length = 32)
//! password = key in lower-case hexadecimal, 64 characters
//! ```
//!
//! The master key's file and variable hold its 32 bytes as 64 hexadecimal digits; white space around them is ignored.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretBox, SecretString, zeroize::Zeroize};
use sha2::Sha256;
use stacksnap_common::ids::ProjectId;

use super::Error;

/// 32 random bytes that only workers and the operator hold. Not shown by `Debug`.
#[derive(Debug)]
pub struct MasterKey(SecretBox<[u8; 32]>);

impl Clone for MasterKey {
    fn clone(&self) -> Self {
        Self(SecretBox::new(Box::new(*self.0.expose_secret())))
    }
}

impl MasterKey {
    /// From its text: 64 hexadecimal digits. `from` names where it came from in the error.
    pub fn parse(text: &str, from: &str) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| {
            Error::Settings(format!("{from}: a master key is 64 hexadecimal digits (`openssl rand -hex 32` makes one)"))
        })?;
        let key = Self(SecretBox::new(Box::new(bytes)));
        bytes.zeroize();
        Ok(key)
    }

    /// From a file. Refused if others than its owner and group may read it: then it is no secret.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        use std::os::unix::fs::MetadataExt;
        let shown = path.display();
        let cant = |error: io::Error| Error::Settings(format!("the master key can't be read from {shown}: {error}"));
        let mode = std::fs::metadata(path).map_err(cant)?.mode();
        if mode & 0o007 != 0 {
            return Err(Error::Settings(format!("{shown} is readable by everybody; run `chmod 600 {shown}`")));
        }
        let mut text = std::fs::read_to_string(path).map_err(cant)?;
        let key = Self::parse(&text, &shown.to_string());
        text.zeroize();
        key
    }

    /// From an environment variable, `None` if it is not set.
    pub fn from_environment(variable: &str) -> Result<Option<Self>, Error> {
        match std::env::var(variable) {
            Ok(text) => Self::parse(&text, variable).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Self::parse("", variable).map(Some),
        }
    }

    /// Makes a new key in a new file of mode 0600, on disk when this returns. Where the file exists already, its key is
    /// taken: of two processes that start at once both get the same.
    pub fn create_file(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let cant = |error: io::Error| Error::Settings(format!("the master key can't be kept in {shown}: {error}"));
        let mut bytes = [0u8; 32];
        fill_random(&mut bytes).map_err(cant)?;
        // Written aside and linked into place, so that nobody ever reads half a key.
        let aside = path.with_extension(format!("{}.new", hex::encode(&bytes[..4])));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
            writeln!(file, "{}", hex::encode(bytes))?;
            file.sync_all()?;
            match std::fs::hard_link(&aside, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            }
        })();
        bytes.zeroize();
        let removed = std::fs::remove_file(&aside);
        written.map_err(cant)?;
        removed.map_err(cant)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(cant)?;
        }
        Self::from_file(path)
    }

    /// The password of a project's repository, as restic takes it.
    pub fn password(&self, project: &ProjectId, generation: u32) -> SecretString {
        let mut info = b"restic password\0".to_vec();
        info.extend_from_slice(project.as_str().as_bytes());
        info.push(0);
        info.extend_from_slice(generation.to_string().as_bytes());
        let mut key = [0; 32];
        #[expect(clippy::expect_used, reason = "only an output of more than 255 hashes can fail")]
        Hkdf::<Sha256>::new(Some(b"stacksnap vault"), self.0.expose_secret())
            .expand(&info, &mut key)
            .expect("32 bytes are one hash");
        let password = SecretString::from(hex::encode(key));
        key.zeroize();
        password
    }
}

fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn password(key: &MasterKey, project: &str, generation: u32) -> String {
        key.password(&project.parse().unwrap(), generation).expose_secret().to_owned()
    }

    /// Worked out by another program: python3, `hmac` and `hashlib` by the steps of RFC 5869.
    #[test]
    fn the_derivation_is_what_the_module_says() {
        let key = MasterKey::parse(&"0123456789abcdef".repeat(4), "test").unwrap();
        assert_eq!(password(&key, "demo", 1), "777d5103a63bc8fe3a6f164437ff11b6f6d1f2ad24940b865de544e5f794e7a1");
    }

    #[test]
    fn each_project_and_generation_has_its_own() {
        let key = MasterKey::parse(&"ab".repeat(32), "test").unwrap();
        assert_ne!(password(&key, "a", 1), password(&key, "b", 1));
        assert_ne!(password(&key, "a", 1), password(&key, "a", 2));
        assert_ne!(password(&key, "a", 11), password(&key, "a1", 1));
    }

    #[test]
    fn a_made_key_is_private_and_is_found_again() {
        use std::os::unix::fs::MetadataExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let made = MasterKey::create_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = MasterKey::create_file(&path).unwrap();
        assert_eq!(password(&made, "p", 1), password(&again, "p", 1));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for text in ["", "abcd", &"zz".repeat(32), &"ab".repeat(33)] {
            let error = MasterKey::parse(text, "the variable X").unwrap_err().to_string();
            assert!(error.contains("the variable X") && (text.is_empty() || !error.contains(text)), "{error}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("open.key");
        std::fs::write(&path, "ab".repeat(32)).unwrap();
        assert!(MasterKey::from_file(&path).unwrap_err().to_string().contains("chmod 600"));
        assert!(format!("{:?}", MasterKey::parse(&"ab".repeat(32), "x").unwrap()).contains("REDACTED"));
    }
}
