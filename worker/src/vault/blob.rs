//! One blob: how bytes become what lies in a pack, and back.
//!
//! The format is restic's, version 2 (restic's `doc/design.rst`): `nonce ‖ ciphertext ‖ tag` with AES-256 in counter
//! mode and Poly1305-AES over it; before that, zstd. A blob's id is the SHA-256 of its bytes as they were.

use aes256ctr_poly1305aes::aead::AeadInPlace;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key as RawKey, Nonce};
use rustic_core::repofile::MasterKey;
use sha2::{Digest, Sha256};
use zstd::bulk::{Compressor, Decompressor};

use super::Error;

/// SHA-256 of a blob's bytes.
pub(super) type BlobHash = [u8; 32];

pub(super) fn hash(bytes: &[u8]) -> BlobHash {
    Sha256::digest(bytes).into()
}

const NONCE: usize = 16;
const TAG: usize = 16;
/// What encryption adds.
pub(super) const OVERHEAD: usize = NONCE + TAG;

/// A repository's own key, which encrypts everything in it. Not to be shown.
#[derive(Clone)]
pub(super) struct Key(Aes256CtrPoly1305Aes);

impl Key {
    pub(super) fn new(key: &MasterKey) -> Result<Self, Error> {
        let bytes = [&key.encrypt[..], &key.mac.k, &key.mac.r].concat();
        if bytes.len() != 64 {
            return Err(Error::Damaged("the repository's key has the wrong length".to_owned()));
        }
        Ok(Self(Aes256CtrPoly1305Aes::new(RawKey::from_slice(&bytes))))
    }

    /// 32 bytes for AES, then Poly1305's `k` and `r`.
    pub(super) fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self(Aes256CtrPoly1305Aes::new(RawKey::from_slice(bytes)))
    }

    pub(super) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.extend_from_slice(&[0; NONCE]);
        random(&mut sealed)?;
        sealed.extend_from_slice(plain);
        let (nonce, body) = sealed.split_at_mut(NONCE);
        let tag = self
            .0
            .encrypt_in_place_detached(Nonce::from_slice(nonce), &[], body)
            .map_err(|_| Error::Internal("encryption failed".to_owned()))?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// `None` if the bytes are not what [`Key::seal`] gave.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE)?;
        let (body, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
        let mut plain = body.to_vec();
        self.0.decrypt_in_place_detached(Nonce::from_slice(nonce), &[], &mut plain, tag.into()).ok()?;
        Some(plain)
    }
}

pub(super) fn random(bytes: &mut [u8]) -> Result<(), Error> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Error::Internal(format!("no random numbers: {error}")))?;
    }
    Ok(())
}

/// A blob as it goes into a pack.
pub(super) struct Sealed {
    pub(super) bytes: Vec<u8>,
    /// The length before compression; zero if it is not compressed.
    pub(super) raw_length: u32,
}

/// Seals blobs; keeps its work space between them, so each thread has its own.
pub(super) struct Sealer {
    key: Key,
    zstd: Compressor<'static>,
}

impl Sealer {
    /// `level` as zstd counts; `None` for a repository that does not compress.
    pub(super) fn new(key: Key, level: i32) -> Result<Self, Error> {
        let zstd = Compressor::new(level).map_err(|error| Error::Internal(format!("zstd: {error}")))?;
        Ok(Self { key, zstd })
    }

    /// `always`: also where compression does not make it shorter. restic expects that of trees.
    pub(super) fn seal(&mut self, plain: &[u8], always: bool) -> Result<Sealed, Error> {
        let raw_length =
            u32::try_from(plain.len()).map_err(|_| Error::Internal(format!("a blob of {} bytes", plain.len())))?;
        let packed = self.zstd.compress(plain).map_err(|error| Error::Internal(format!("zstd: {error}")))?;
        if (always && !plain.is_empty()) || packed.len() < plain.len() {
            Ok(Sealed { bytes: self.key.seal(&packed)?, raw_length })
        } else {
            Ok(Sealed { bytes: self.key.seal(plain)?, raw_length: 0 })
        }
    }

    /// A file of the repository (index, snapshot): the byte 2 says that zstd follows.
    pub(super) fn seal_file(&mut self, json: &[u8]) -> Result<Vec<u8>, Error> {
        let mut packed = vec![2];
        packed.extend(self.zstd.compress(json).map_err(|error| Error::Internal(format!("zstd: {error}")))?);
        self.key.seal(&packed)
    }
}

/// Opens blobs; one for each thread.
pub(super) struct Opener {
    key: Key,
    zstd: Decompressor<'static>,
}

impl Opener {
    pub(super) fn new(key: Key) -> Result<Self, Error> {
        let zstd = Decompressor::new().map_err(|error| Error::Internal(format!("zstd: {error}")))?;
        Ok(Self { key, zstd })
    }

    /// The blob's bytes, checked against its id: never wrong ones.
    pub(super) fn open(&mut self, sealed: &[u8], raw_length: u32, id: &BlobHash) -> Result<Vec<u8>, Error> {
        let damaged = |what: &str| Error::Damaged(format!("blob {}: {what}", hex::encode(id)));
        let packed = self.key.open(sealed).ok_or_else(|| damaged("its bytes have changed"))?;
        let plain = if raw_length == 0 {
            packed
        } else {
            self.zstd.decompress(&packed, raw_length as usize).map_err(|_| damaged("it can't be decompressed"))?
        };
        if hash(&plain) == *id { Ok(plain) } else { Err(damaged("its content has another hash")) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key() -> Key {
        Key::new(&MasterKey::new()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let key = key();
        let mut sealer = Sealer::new(key.clone(), 3).unwrap();
        let mut opener = Opener::new(key).unwrap();
        let mut noise = vec![0; 70_000];
        random(&mut noise).unwrap();
        for plain in [&b""[..], b"a", &[7; 100_000], &noise] {
            for always in [true, false] {
                let sealed = sealer.seal(plain, always).unwrap();
                assert_eq!(opener.open(&sealed.bytes, sealed.raw_length, &hash(plain)).unwrap(), plain);
            }
        }
        // What does not shrink is kept as it is.
        assert_eq!(sealer.seal(&noise, false).unwrap().raw_length, 0);
        assert!(sealer.seal(&[7; 100_000], false).unwrap().bytes.len() < 1000);
    }

    #[test]
    fn any_changed_byte_is_seen() {
        let key = key();
        let mut sealer = Sealer::new(key.clone(), 3).unwrap();
        let mut opener = Opener::new(key.clone()).unwrap();
        let plain = b"some content, some content, some content";
        let sealed = sealer.seal(plain, false).unwrap();
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.bytes.clone();
            changed[at] ^= 1;
            assert!(matches!(opener.open(&changed, sealed.raw_length, &hash(plain)), Err(Error::Damaged(_))));
        }
        for length in 0..sealed.bytes.len() {
            assert!(opener.open(&sealed.bytes[..length], sealed.raw_length, &hash(plain)).is_err());
        }
        assert!(opener.open(&sealed.bytes, sealed.raw_length, &hash(b"other")).is_err());
        assert!(Opener::new(self::key()).unwrap().open(&sealed.bytes, sealed.raw_length, &hash(plain)).is_err());
    }

    #[test]
    fn two_seals_of_the_same_differ() {
        let key = key();
        assert_ne!(key.seal(b"same").unwrap(), key.seal(b"same").unwrap());
    }
}
