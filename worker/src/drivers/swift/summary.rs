//! A comparison in a few numbers and names: what a plan shows, what a restore did, and what changed while a container was
//! copied.

use stacksnap_common::types::Preview;

use super::compare::{Compared, Doing};

/// So many of each kind are named.
const SAMPLE: u64 = 25;

pub(super) struct Summary {
    main: String,
    preview: Preview,
    adjusted: u64,
    expired: u64,
}

impl Summary {
    pub(super) fn new(main: &str) -> Self {
        Self { main: main.to_owned(), preview: Preview::default(), adjusted: 0, expired: 0 }
    }

    pub(super) fn add(&mut self, compared: &Compared) {
        let bytes = match &compared.doing {
            Doing::Make(kept) | Doing::Replace(kept) => kept.facts.bytes,
            _ => 0,
        };
        let preview = &mut self.preview;
        let (count, word) = match &compared.doing {
            Doing::Make(_) => (&mut preview.creates, "create"),
            Doing::Replace(_) => (&mut preview.overwrites, "overwrite"),
            Doing::Adjust(..) => {
                preview.overwrites += 1;
                (&mut self.adjusted, "set metadata of")
            }
            Doing::Remove => (&mut preview.removes, "remove"),
            Doing::Nothing => {
                preview.unchanged += 1;
                return;
            }
            Doing::Absent => {
                if preview.notes.len() < SAMPLE as usize {
                    preview.notes.push(format!("{} is in the listing and is not there", compared.name));
                }
                return;
            }
            Doing::Expired => {
                self.expired += 1;
                return;
            }
        };
        *count += 1;
        preview.bytes += bytes;
        if *count <= SAMPLE {
            let differ = match &compared.doing {
                Doing::Adjust(_, differ) => format!(" ({})", differ.join(", ")),
                _ => String::new(),
            };
            let mut place = compared.name.clone();
            if compared.container != self.main {
                place = format!("{}/{place} (a segment in another container)", compared.container);
            }
            preview.sample.push(format!("{word} {place}{differ}"));
        }
    }

    /// Something about the container itself.
    pub(super) fn own(&mut self, creates: bool, what: String) {
        *if creates { &mut self.preview.creates } else { &mut self.preview.overwrites } += 1;
        self.preview.sample.insert(0, what);
    }

    pub(super) fn note(&mut self, note: String) {
        self.preview.notes.push(note);
    }

    /// What would be done, and what is worth a word.
    pub(super) fn into_lines(self) -> (Vec<String>, Vec<String>) {
        (self.preview.sample, self.preview.notes)
    }

    pub(super) fn preview(mut self) -> Preview {
        if self.expired > 0 {
            let expired = self.expired;
            self.preview.notes.push(format!(
                "{expired} objects were to be deleted by Swift before now (X-Delete-At), and are not made again"
            ));
        }
        self.preview.sample.truncate(100);
        self.preview
    }
}
