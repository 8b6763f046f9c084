//! What this process may do to files of other users.
//!
//! Asked for beforehand, so that a plan can say what a restore would be refused. Only the file system has the last
//! word: what fails all the same fails the step, by name.

use rustix::process::{getegid, geteuid, getgroups};

use crate::vault::tree::{Kind, Meta};

/// Effective capabilities (`linux/capability.h`) and ids.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    pub(crate) uid: u32,
    groups: Vec<u32>,
    capabilities: u64,
}

const CHOWN: u32 = 0;
const DAC_OVERRIDE: u32 = 1;
const DAC_READ_SEARCH: u32 = 2;
const FOWNER: u32 = 3;
const SYS_ADMIN: u32 = 21;
const MKNOD: u32 = 27;
const SETFCAP: u32 = 31;

impl Rights {
    /// Those of the calling thread.
    pub(crate) fn of_this_process() -> Self {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let mut groups: Vec<u32> = getgroups().unwrap_or_default().iter().map(|gid| gid.as_raw()).collect();
        groups.push(getegid().as_raw());
        Self {
            uid: geteuid().as_raw(),
            groups,
            capabilities: line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0),
        }
    }

    fn may(&self, capability: u32) -> bool {
        self.capabilities & (1 << capability) != 0
    }

    /// May write to directories and files of others.
    pub(crate) fn overrides(&self) -> bool {
        self.may(DAC_OVERRIDE)
    }

    /// May read everything.
    pub(crate) fn reads_all(&self) -> bool {
        self.may(DAC_READ_SEARCH) || self.may(DAC_OVERRIDE)
    }

    pub(crate) fn takes_over(&self) -> bool {
        self.may(CHOWN)
    }

    /// May give something of its own the owner and group of `meta`.
    pub(crate) fn gives(&self, meta: &Meta) -> bool {
        self.may(CHOWN) || (meta.uid == self.uid && self.groups.contains(&meta.gid))
    }

    /// May set mode and times of what belongs to `uid`.
    pub(crate) fn adjusts(&self, uid: u32) -> bool {
        self.may(FOWNER) || uid == self.uid
    }

    /// Why an entry of this kind and with these attributes can't be made; `None` if it can.
    pub(crate) fn missing_for(&self, kind: &Kind, meta: &Meta, owners: bool) -> Option<String> {
        if owners && !self.gives(meta) {
            return Some(format!(
                "the worker may not set its owner {}:{} (needs CAP_CHOWN, or the property owners: skip)",
                meta.uid, meta.gid
            ));
        }
        if matches!(kind, Kind::CharDevice(_) | Kind::BlockDevice(_)) && !self.may(MKNOD) {
            return Some("the worker may not make devices (needs CAP_MKNOD)".to_owned());
        }
        let names = meta.xattrs.iter().map(|(name, _)| name.as_slice());
        for name in names {
            let needed = match name {
                b"security.capability" if !self.may(SETFCAP) => "CAP_SETFCAP",
                _ if name.starts_with(b"trusted.") && !self.may(SYS_ADMIN) => "CAP_SYS_ADMIN",
                _ => continue,
            };
            return Some(format!(
                "the worker may not set its attribute {} (needs {needed})",
                String::from_utf8_lossy(name)
            ));
        }
        None
    }
}
