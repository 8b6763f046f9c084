//! What there is in the fake Glance.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::cinder;
use super::super::wire::Wire;

#[derive(Debug, Default)]
pub(in super::super) struct State {
    pub(in super::super) images: BTreeMap<String, Image>,
    pub(super) wire: Wire,
    made: u64,
}

#[derive(Debug, Clone)]
pub struct Image {
    pub id: String,
    pub project: String,
    pub name: String,
    pub status: String,
    pub protected: bool,
    /// `shared` where somebody uploaded it, `private` where Nova made it.
    pub visibility: &'static str,
    /// What its maker hung on it.
    pub properties: BTreeMap<String, String>,
    pub created: String,
    pub content: Vec<u8>,
}

impl State {
    /// An image that has no bytes yet; its id.
    pub(in super::super) fn begin(
        &mut self,
        project: &str,
        name: &str,
        properties: BTreeMap<String, String>,
    ) -> String {
        self.made += 1;
        let id = format!("{:08x}-0000-4000-8000-{:012x}", 0x1a6e_0000_u32, self.made);
        let image = Image {
            id: id.clone(),
            project: project.to_owned(),
            name: name.to_owned(),
            status: "queued".to_owned(),
            protected: false,
            visibility: "shared",
            properties,
            created: cinder::State::now().replace(".000000", "Z"),
            content: Vec::new(),
        };
        self.images.insert(id.clone(), image);
        id
    }

    pub(in super::super) fn fill(&mut self, id: &str, content: &[u8]) {
        if let Some(image) = self.images.get_mut(id) {
            image.content = content.to_vec();
            image.status = "active".to_owned();
        }
    }
}

impl Image {
    /// In place of a SHA-512: as long, and as good for a handful of bytes.
    pub(super) fn hash(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        format!("{:016x}", hasher.finish()).repeat(8)
    }
}
