//! The server's clock, estimated between readings.
//!
//! A reading asks TIME and takes the middle of the round trip for its moment, so it is off by half of that trip at most.
//! From there this process's monotonic clock counts on. A reading is renewed after two seconds, and used for up to five
//! where the server does not answer.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::link::Link;
use super::wire;
use crate::store::backend::{Error, Millis};
use crate::store::rules::Steady;

const FRESH: Duration = Duration::from_secs(2);
const USABLE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Clock {
    steady: Steady,
    /// A moment of this process, and the server's clock then in microseconds.
    reading: Mutex<Option<(Instant, u64)>>,
    asking: tokio::sync::Mutex<()>,
}

impl Clock {
    pub(super) async fn now(&self, link: &Link) -> Result<Millis, Error> {
        if let Some(micros) = self.estimate(FRESH) {
            return Ok(self.millis(micros));
        }
        // One asks; the others go on with what there is, or wait for it.
        let asking = match self.asking.try_lock() {
            Ok(asking) => asking,
            Err(_) => match self.estimate(USABLE) {
                Some(micros) => return Ok(self.millis(micros)),
                None => self.asking.lock().await,
            },
        };
        if let Some(micros) = self.estimate(FRESH) {
            return Ok(self.millis(micros));
        }
        let sent = Instant::now();
        let read = link.query(&redis::cmd("TIME")).await.and_then(|answer| {
            redis::from_redis_value::<(u64, u64)>(answer).map_err(|_| wire::strange(&redis::Value::Nil))
        });
        let estimate = match read {
            Ok((seconds, micros)) => {
                let middle = sent + sent.elapsed() / 2;
                let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
                *reading = Some((middle, seconds * 1_000_000 + micros));
                drop(reading);
                self.estimate(USABLE)
            }
            Err(error) => Some(self.estimate(USABLE).ok_or(error)?),
        };
        drop(asking);
        estimate.map(|micros| self.millis(micros)).ok_or_else(|| Error::Unavailable("Redis is too slow".to_owned()))
    }

    fn millis(&self, micros: u64) -> Millis {
        Millis(self.steady.read(micros) / 1000)
    }

    /// The estimate from a reading not older than that.
    fn estimate(&self, age: Duration) -> Option<u64> {
        let (moment, micros) = (*self.reading.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = moment.elapsed();
        (since < age).then_some(micros + since.as_micros() as u64)
    }
}
