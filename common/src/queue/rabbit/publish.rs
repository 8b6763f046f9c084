//! Confirmed publishing, with many in flight on one channel.
//!
//! One task writes. It must be one: lapin counts a message before it queues its frames, so two tasks that share a
//! channel can swap their confirms.
//!
//! Every message is `mandatory`: the broker returns what it can't route, and then confirms it all the same. lapin hands
//! a returned message to whichever confirm is completed next, and the broker confirms several at once, so it often comes
//! with another message's confirm. But never with a later one than its own. So each message carries a number, all
//! confirms that are ready are taken together, and only then each is answered: returned if its number came back, with
//! whichever of them.
//!
//! A message that comes back has no queue: the queue is declared and the message published once more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::connection::{Link, State, refusal_or_absence, within};
use super::topology;
use crate::queue::Error;

/// The most messages that wait for their confirm. Above, publishers wait for their turn.
const IN_FLIGHT: usize = 2_000;

pub(super) struct Publisher {
    link: Arc<Link>,
    messages: mpsc::Sender<Message>,
    declares: Declares,
    _task: AbortOnDropHandle<()>,
}

/// The declares of queues for which something came back, numbered from 1.
#[derive(Default)]
struct Declares {
    count: AtomicU64,
    /// The last one of each queue.
    last: tokio::sync::Mutex<HashMap<String, u64>>,
}

/// What became of a message that the broker confirmed.
enum Fate {
    Queued,
    Returned,
}

struct Message {
    queue: String,
    body: Arc<[u8]>,
    headers: FieldTable,
    answer: oneshot::Sender<Result<Fate, Error>>,
}

impl Publisher {
    pub(super) fn start(link: Link) -> Self {
        let link = Arc::new(link);
        let (messages, inbox) = mpsc::channel(IN_FLIGHT);
        let task = AbortOnDropHandle::new(tokio::spawn(write(link.clone(), inbox)));
        Self { link, messages, declares: Declares::default(), _task: task }
    }

    pub(super) fn connected(&self) -> watch::Receiver<bool> {
        self.link.connected()
    }

    pub(super) async fn depth(&self, queue: &str) -> Result<u64, Error> {
        topology::depth(&self.link.up().await?, queue, self.link.timeout()).await
    }

    /// Returns when the message is in the queue, which is declared if need be.
    pub(super) async fn publish(&self, queue: &str, body: Vec<u8>, headers: Option<FieldTable>) -> Result<(), Error> {
        let body: Arc<[u8]> = body.into();
        let headers = headers.unwrap_or_default();
        let before = self.declares.count.load(Ordering::Acquire);
        if let Fate::Queued = self.send(queue, body.clone(), headers.clone()).await? {
            return Ok(());
        }
        self.declare_since(before, queue).await?;
        match self.send(queue, body, headers).await? {
            Fate::Queued => Ok(()),
            Fate::Returned => Err(Error::Unavailable(format!("the message came back twice: there is no {queue}"))),
        }
    }

    /// Declares a queue unless that was done after the `before`-th declare. One at a time: of two declares at once the
    /// second is answered before the queue can store anything, and what is then published is refused.
    async fn declare_since(&self, before: u64, queue: &str) -> Result<(), Error> {
        tokio::time::sleep(topology::AFTER_DELETE).await;
        let mut last = self.declares.last.lock().await;
        if last.get(queue).is_some_and(|&declared| declared > before) {
            return Ok(());
        }
        topology::declare_on(&*self.link.up().await?, queue, self.link.timeout()).await?;
        tracing::debug!(queue, "declared: a message to it came back");
        last.insert(queue.to_owned(), self.declares.count.fetch_add(1, Ordering::AcqRel) + 1);
        Ok(())
    }

    async fn send(&self, queue: &str, body: Arc<[u8]>, headers: FieldTable) -> Result<Fate, Error> {
        self.link.up().await?;
        let (answer, answered) = oneshot::channel();
        let message = Message { queue: queue.to_owned(), body, headers, answer };
        let sent = async {
            self.messages.send(message).await.ok()?;
            answered.await.ok()
        };
        match tokio::time::timeout(self.link.timeout(), sent).await {
            Ok(Some(answer)) => answer,
            // The writer let go of it: the connection was lost or blocked meanwhile.
            Ok(None) => Err(self.link.state().borrow().error()),
            Err(_) => Err(Error::Unavailable(format!("{queue} confirms nothing within {:?}", self.link.timeout()))),
        }
    }
}

/// Serves one connection after the other.
async fn write(link: Arc<Link>, mut inbox: mpsc::Receiver<Message>) {
    let mut states = link.state();
    loop {
        let state = states.borrow_and_update().clone();
        if let State::Up(connection) = state {
            match open_channel(&connection, &link).await {
                Ok(channel) => serve(&channel, &mut states, &mut inbox).await,
                // Most likely the connection is being lost; what waits runs into its timeout at worst.
                Err(error) => {
                    tracing::warn!(%error, "no channel to publish on");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            }
            continue;
        }
        tokio::select! {
            // First, because a message may have been sent on the news of this very change.
            biased;
            changed = states.changed() => if changed.is_err() { return },
            message = inbox.recv() => match message {
                Some(message) => drop(message.answer.send(Err(state.error()))),
                None => return,
            },
        }
    }
}

async fn open_channel(connection: &Connection, link: &Link) -> Result<Channel, Error> {
    within(link.timeout(), "opening a channel", async {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    })
    .await
}

/// Publishes until the channel can do so no more. Whoever then waits for a confirm learns that it won't come.
async fn serve(channel: &Channel, states: &mut watch::Receiver<State>, inbox: &mut mpsc::Receiver<Message>) {
    let mut in_flight = FuturesUnordered::new();
    let mut returned = HashSet::new();
    let mut number = 0;
    while channel.status().connected() {
        tokio::select! {
            biased;
            _ = states.changed() => return,
            Some(first) = in_flight.next() => {
                let mut ready = vec![first];
                while let Some(Some(more)) = in_flight.next().now_or_never() {
                    ready.push(more);
                }
                answer(ready, &mut returned);
            }
            message = inbox.recv(), if in_flight.len() < IN_FLIGHT => {
                let Some(message) = message else { return };
                number += 1;
                in_flight.push(confirm(channel, number, message));
            }
        }
    }
}

struct Confirmed {
    number: u64,
    result: lapin::Result<Confirmation>,
    answer: oneshot::Sender<Result<Fate, Error>>,
}

async fn confirm(channel: &Channel, number: u64, message: Message) -> Confirmed {
    let Message { queue, body, headers, answer } = message;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_message_id(number.to_string().into())
        .with_headers(headers);
    let result = match channel.basic_publish(ShortString::default(), queue.into(), options, &body, properties).await {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    Confirmed { number, result, answer }
}

/// `returned`: the numbers of messages that came back and whose own confirm is still to come.
fn answer(ready: Vec<Confirmed>, returned: &mut HashSet<u64>) {
    let mut fates = Vec::with_capacity(ready.len());
    for Confirmed { number, result, answer } in ready {
        let acked = result.map(|confirmation| {
            let acked = confirmation.is_ack();
            if let Some(message) = confirmation.take_message() {
                let number = message.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
                returned.extend(number.map(|number: u64| number));
            }
            acked
        });
        fates.push((number, acked, answer));
    }
    for (number, acked, answer) in fates {
        let came_back = returned.remove(&number);
        // Nobody may be waiting any more, after a timeout.
        let _ = answer.send(match acked {
            Err(error) => Err(refusal_or_absence(&error)),
            Ok(_) if came_back => Ok(Fate::Returned),
            Ok(true) => Ok(Fate::Queued),
            Ok(false) => Err(Error::Unavailable("the broker could not store the message".to_owned())),
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lapin::message::{BasicReturnMessage, Delivery};

    use super::*;

    /// A confirm that is ready, carrying the message `carries` as lapin would; and who waits for it.
    fn ready(number: u64, carries: Option<u64>) -> (Confirmed, oneshot::Receiver<Result<Fate, Error>>) {
        let message = carries.map(|number| {
            let mut delivery = Delivery::mock(0, "".into(), "a.queue".into(), false, Vec::new());
            delivery.properties = BasicProperties::default().with_message_id(number.to_string().into());
            BasicReturnMessage { delivery, reply_code: 312, reply_text: "NO_ROUTE".into() }
        });
        let (answer, answered) = oneshot::channel();
        (Confirmed { number, result: Ok(Confirmation::Ack(message)), answer }, answered)
    }

    fn fates(batches: &[&[(u64, Option<u64>)]]) -> Vec<bool> {
        let mut returned = HashSet::new();
        let mut fates = Vec::new();
        for batch in batches {
            let (confirmed, waiting): (Vec<_>, Vec<_>) =
                batch.iter().map(|&(number, carries)| ready(number, carries)).unzip();
            answer(confirmed, &mut returned);
            for mut waiting in waiting {
                fates.push(matches!(waiting.try_recv().unwrap().unwrap(), Fate::Returned));
            }
        }
        assert!(returned.is_empty());
        fates
    }

    /// One frame confirms 1 to 3; 2 came back, and lapin completes 3 first.
    #[test]
    fn a_message_returned_with_another_confirm_of_the_same_batch_is_found() {
        assert_eq!(fates(&[&[(3, Some(2)), (2, None), (1, None)]]), [false, true, false]);
        assert_eq!(fates(&[&[(1, None), (2, None), (3, Some(2))]]), [false, true, false]);
    }

    /// 2 came back, then 1 is confirmed, and later 2.
    #[test]
    fn a_message_returned_with_an_earlier_confirm_is_found() {
        assert_eq!(fates(&[&[(1, Some(2))], &[(2, None)]]), [false, true]);
        assert_eq!(fates(&[&[(1, Some(3))], &[(3, Some(2)), (2, None)], &[(4, None)]]), [false, true, true, false]);
    }

    #[test]
    fn a_message_that_was_not_stored_is_an_error() {
        let (mut confirmed, mut waiting) = ready(1, None);
        confirmed.result = Ok(Confirmation::Nack(None));
        answer(vec![confirmed], &mut HashSet::new());
        assert!(matches!(waiting.try_recv().unwrap(), Err(Error::Unavailable(_))));
    }
}
