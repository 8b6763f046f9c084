//! How the fake Nova moves with time: before anybody looks, and every few milliseconds, [`State::up_to_now`] brings
//! everything up to now, in the order in which things came due.

use std::time::{Duration, Instant};

use super::state::{Attached, State};

/// What will happen to servers.
#[derive(Debug, Default)]
pub(super) struct Events(Vec<(Instant, String, Next)>);

#[derive(Debug, Clone)]
pub(super) enum Next {
    /// The image's bytes begin to come.
    Uploads {
        image: String,
    },
    /// `None`: the bytes of the image are in nobody's hands.
    Imaged {
        image: String,
        content: Option<Vec<u8>>,
        killed: bool,
    },
    Idle,
    Rebuilt {
        content: Option<Vec<u8>>,
        off: bool,
    },
    Power {
        on: bool,
    },
    Attached {
        attached: Attached,
        well: bool,
    },
    Detached {
        volume: String,
        well: bool,
    },
}

impl Events {
    pub(super) fn add(&mut self, after: Duration, server: &str, next: Next) {
        self.0.push((Instant::now() + after, server.to_owned(), next));
    }

    pub(super) fn forget(&mut self, server: &str) {
        self.0.retain(|(_, of, _)| of != server);
    }

    /// Of two of the same moment the one that was added first.
    fn due(&mut self, now: Instant) -> Option<(String, Next)> {
        let first = self.0.iter().enumerate().filter(|(_, (at, ..))| *at <= now).min_by_key(|(_, (at, ..))| *at);
        let place = first.map(|(place, _)| place)?;
        let (_, server, next) = self.0.remove(place);
        Some((server, next))
    }
}

impl State {
    pub(super) fn up_to_now(&mut self) {
        let now = Instant::now();
        while !self.held {
            let Some((server, next)) = self.events.due(now) else { return };
            self.happens(&server, next);
        }
    }

    fn happens(&mut self, id: &str, next: Next) {
        let Some(server) = self.servers.get_mut(id) else { return };
        match next {
            Next::Uploads { image } => {
                server.task_state = Some("image_uploading".to_owned());
                if let Some(image) = self.glance.lock().unwrap().images.get_mut(&image) {
                    image.status = "saving".to_owned();
                }
            }
            Next::Imaged { image, content, killed } => {
                let mut glance = self.glance.lock().unwrap();
                match content {
                    Some(content) => glance.fill(&image, &content),
                    None if killed => {
                        if let Some(image) = glance.images.get_mut(&image) {
                            image.status = "killed".to_owned();
                        }
                    }
                    None => drop(glance.images.remove(&image)),
                }
            }
            Next::Idle => server.task_state = None,
            Next::Rebuilt { content, off } => {
                server.task_state = None;
                server.rebuilt += 1;
                match content {
                    Some(content) => {
                        server.content = content;
                        server.vm_state = if off { "stopped" } else { "active" }.to_owned();
                        server.fault = None;
                    }
                    None => {
                        server.vm_state = "error".to_owned();
                        server.fault = Some("Build of instance aborted: no room on the host".to_owned());
                    }
                }
            }
            Next::Power { on } => {
                server.task_state = None;
                server.vm_state = if on { "active" } else { "stopped" }.to_owned();
            }
            Next::Attached { attached, well } => {
                let mut cinder = self.cinder.lock().unwrap();
                let volume = cinder.volumes.get_mut(&attached.volume);
                if let Some(volume) = volume {
                    volume.status = if well { "in-use" } else { "available" }.to_owned();
                    if well {
                        volume.attached.insert(id.to_owned(), attached.device.clone());
                    }
                }
                if !well {
                    server.attached.retain(|other| other.volume != attached.volume);
                }
            }
            Next::Detached { volume, well } => {
                let mut cinder = self.cinder.lock().unwrap();
                if let Some(volume) = cinder.volumes.get_mut(&volume) {
                    volume.status = if well { "available" } else { "in-use" }.to_owned();
                    if well {
                        volume.attached.remove(id);
                    }
                }
                if well {
                    server.attached.retain(|other| other.volume != volume);
                }
            }
        }
    }
}
