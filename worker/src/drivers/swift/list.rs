//! A container's objects, page by page: the next page is on its way while this one is looked at.

use stacksnap_openstack::swift::Listed;
use tokio_util::task::AbortOnDropHandle;

use super::call::Calls;
use crate::driver::Error;

/// For a thread that may block.
pub(super) struct List {
    calls: Calls,
    container: String,
    prefix: String,
    page: std::iter::Peekable<std::vec::IntoIter<Listed>>,
    next: Option<AbortOnDropHandle<Result<Vec<Listed>, Error>>>,
    last: String,
}

impl List {
    /// Of the objects whose names begin with `prefix`. A container that is not there has none.
    pub(super) fn new(calls: &Calls, container: &str, prefix: &str) -> Self {
        let mut list = Self {
            calls: calls.clone(),
            container: container.to_owned(),
            prefix: prefix.to_owned(),
            page: Vec::new().into_iter().peekable(),
            next: None,
            last: String::new(),
        };
        list.ask();
        list
    }

    fn ask(&mut self) {
        let (calls, container) = (self.calls.clone(), self.container.clone());
        let (prefix, marker) = (self.prefix.clone(), self.last.clone());
        let page = async move {
            let page = calls.find(calls.swift.page(&container, &prefix, &marker)).await;
            page.map(Option::unwrap_or_default)
        };
        self.next = Some(AbortOnDropHandle::new(self.calls.runtime().spawn(page)));
    }

    /// The next object without taking it.
    pub(super) fn peek(&mut self) -> Result<Option<&Listed>, Error> {
        if self.page.peek().is_none()
            && let Some(next) = self.next.take()
        {
            let ended = |error| Error::transient(format!("a task of the Swift driver ended: {error}"));
            let page = self.calls.block(next).map_err(ended)??;
            self.checked(&page)?;
            if let Some(last) = page.last() {
                self.last.clone_from(&last.name);
                self.ask();
            }
            self.page = page.into_iter().peekable();
        }
        Ok(self.page.peek())
    }

    pub(super) fn next(&mut self) -> Result<Option<Listed>, Error> {
        self.peek()?;
        Ok(self.page.next())
    }

    /// What is made of a listing stands on its order.
    fn checked(&self, page: &[Listed]) -> Result<(), Error> {
        let names = std::iter::once(&self.last).chain(page.iter().map(|listed| &listed.name));
        if !names.clone().is_sorted_by(|one, other| one.as_bytes() < other.as_bytes()) {
            return Err(Error::permanent(format!(
                "the listing of container {:?} is not in the order of its objects' names",
                self.container
            )));
        }
        Ok(())
    }
}
