//! Reads at full speed over a number of connections, each with one request at a time.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::stack::{Api, read};

/// Requests a second. Any answer but 200 is an error.
pub async fn rate(api: &Api, path: &str, connections: usize, during: Duration) -> anyhow::Result<f64> {
    let url = api.url(path);
    let mut readers = JoinSet::new();
    for _ in 0..connections {
        let (http, url) = (api.connection()?, url.clone());
        // Connected, and whatever is cached is.
        read(&http, &url).await?;
        readers.spawn(async move {
            let (start, mut count) = (Instant::now(), 0_u32);
            while start.elapsed() < during {
                read(&http, &url).await?;
                count += 1;
            }
            anyhow::Ok(f64::from(count) / start.elapsed().as_secs_f64())
        });
    }
    let mut rate = 0.0;
    while let Some(reader) = readers.join_next().await {
        rate += reader??;
    }
    Ok(rate)
}
