//! Heat's events and ours in one order. Pure.
//!
//! Each of ours remembers the event of Heat's that it follows, if that was known when it was made; else it stands where
//! its time puts it, but never before what it came after. So the order is the same whenever it is made, and a client
//! that goes on from a marker sees each event once.

/// An event of Heat's: its id and when it was, to the second, as text that sorts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Theirs {
    pub(super) id: String,
    pub(super) at: String,
}

/// One of ours: what it follows, and when it was, in the same form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) after: Option<String>,
    pub(super) at: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Theirs(usize),
    Ours(usize),
}

/// Both oldest first; so is the result.
pub(super) fn merge(theirs: &[Theirs], ours: &[Ours]) -> Vec<Place> {
    // How many of Heat's stand before each of ours. The known ones first; they never go back.
    let known = |ours: &Ours| {
        let after = ours.after.as_ref()?;
        theirs.iter().position(|event| event.id == *after).map(|at| at + 1)
    };
    let anchors: Vec<Option<usize>> = ours.iter().map(known).collect();
    let mut latest = 0;
    let mut before = Vec::with_capacity(ours.len());
    for (place, event) in ours.iter().enumerate() {
        let at = match anchors[place] {
            Some(at) => at,
            None => {
                let by_time = theirs.iter().take_while(|theirs| theirs.at < event.at).count();
                // What came after it follows something that this one can't follow.
                let next = anchors[place..].iter().flatten().copied().min().unwrap_or(usize::MAX);
                by_time.min(next)
            }
        };
        latest = latest.max(at);
        before.push(latest);
    }
    let mut merged = Vec::with_capacity(theirs.len() + ours.len());
    let mut next = 0;
    for at in 0..=theirs.len() {
        while next < ours.len() && before[next] == at {
            merged.push(Place::Ours(next));
            next += 1;
        }
        if at < theirs.len() {
            merged.push(Place::Theirs(at));
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn theirs(events: &[(&str, &str)]) -> Vec<Theirs> {
        events.iter().map(|(id, at)| Theirs { id: (*id).to_owned(), at: (*at).to_owned() }).collect()
    }

    fn ours(events: &[(Option<&str>, &str)]) -> Vec<Ours> {
        events.iter().map(|(after, at)| Ours { after: after.map(str::to_owned), at: (*at).to_owned() }).collect()
    }

    #[test]
    fn a_restore_stands_around_heats_update() {
        let theirs = theirs(&[("c", "10"), ("u1", "20"), ("u2", "25")]);
        let ours = ours(&[(Some("c"), "19"), (None, "19"), (None, "26"), (Some("u2"), "27")]);
        use Place::{Ours as O, Theirs as T};
        assert_eq!(merge(&theirs, &ours), [T(0), O(0), O(1), T(1), T(2), O(2), O(3)]);
    }

    #[test]
    fn what_followed_a_forgotten_event_stands_by_its_time() {
        let theirs = theirs(&[("u1", "20"), ("u2", "25")]);
        let gone = ours(&[(Some("gone"), "22"), (None, "22")]);
        use Place::{Ours as O, Theirs as T};
        assert_eq!(merge(&theirs, &gone), [T(0), O(0), O(1), T(1)]);
        assert_eq!(merge(&[], &gone), [O(0), O(1)]);
        assert_eq!(merge(&theirs, &[]), [T(0), T(1)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nobodys_order_changes(
            times in prop::collection::vec(0..20_u8, 0..30),
            drawn in prop::collection::vec((prop::option::of(0..35_usize), 0..20_u8), 0..30),
        ) {
            let mut times = times;
            times.sort();
            let theirs: Vec<_> = times.iter().enumerate().map(|(i, at)| Theirs { id: i.to_string(), at: format!("{at:02}") }).collect();
            let ours: Vec<_> = drawn.iter().map(|(after, at)| Ours { after: after.map(|a| a.to_string()), at: format!("{at:02}") }).collect();
            let merged = merge(&theirs, &ours);
            let of_theirs: Vec<_> = merged.iter().filter_map(|p| match p { Place::Theirs(i) => Some(*i), Place::Ours(_) => None }).collect();
            let of_ours: Vec<_> = merged.iter().filter_map(|p| match p { Place::Ours(i) => Some(*i), Place::Theirs(_) => None }).collect();
            prop_assert_eq!(of_theirs, (0..theirs.len()).collect::<Vec<_>>());
            prop_assert_eq!(of_ours, (0..ours.len()).collect::<Vec<_>>());
            // None of ours stands before what it follows.
            for (place, event) in ours.iter().enumerate() {
                if let Some(at) = event.after.as_ref().and_then(|after| theirs.iter().position(|t| t.id == *after)) {
                    let position = |wanted| merged.iter().position(|p| *p == wanted);
                    prop_assert!(position(Place::Theirs(at)) < position(Place::Ours(place)));
                }
            }
        }

        /// A client that polls with the last id as its marker misses nothing: what comes later never stands before what
        /// was there, as long as it follows the newest that there was.
        #[test]
        fn what_comes_later_stands_later(rounds in prop::collection::vec((0..3_usize, 0..3_usize), 1..12)) {
            let (mut theirs, mut ours, mut seen) = (Vec::new(), Vec::new(), Vec::new());
            for (clock, (new_theirs, new_ours)) in rounds.into_iter().enumerate() {
                for _ in 0..new_theirs {
                    theirs.push(Theirs { id: theirs.len().to_string(), at: format!("{clock:03}") });
                }
                for _ in 0..new_ours {
                    ours.push(Ours { after: theirs.last().map(|t: &Theirs| t.id.clone()), at: format!("{clock:03}") });
                }
                let merged = merge(&theirs, &ours);
                prop_assert_eq!(&merged[..seen.len()], &seen[..]);
                seen = merged;
            }
        }
    }
}
