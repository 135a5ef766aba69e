//! The flags about how long clients may take, and how much they may ask for.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;

use super::size;
use crate::config;
use crate::http::{LARGEST_HEAD, Limits, Rate, SMALLEST_HEAD};

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// How long the head of a request may take (408)
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "10s", env = "IFMATCH_HEAD_TIMEOUT", value_parser = duration)]
    head_timeout: Duration,
    /// How long nothing of the body of an upload may come (408)
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "30s", env = "IFMATCH_BODY_TIMEOUT", value_parser = duration)]
    body_timeout: Duration,
    /// How long a client may take nothing of an answer
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "60s", env = "IFMATCH_SEND_TIMEOUT", value_parser = duration)]
    send_timeout: Duration,
    /// How long a connection may be idle between requests; 5s at most while more than half of the connections are taken
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "75s", env = "IFMATCH_IDLE_TIMEOUT", value_parser = duration)]
    idle_timeout: Duration,
    /// How long a client may take to encrypt its connection
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "10s", env = "IFMATCH_TLS_TIMEOUT", value_parser = duration)]
    tls_timeout: Duration,
    /// How long answers may go on after a signal to stop; must be less than what the caller waits before it kills
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "30s", env = "IFMATCH_SHUTDOWN_TIMEOUT", value_parser = duration)]
    shutdown_timeout: Duration,
    /// The largest head of a request, 4K to 128K (431)
    #[arg(hide_short_help = true, long, value_name = "SIZE", default_value = "128K", env = "IFMATCH_MAX_HEAD_SIZE", value_parser = head_size)]
    max_head_size: usize,
    /// How many connections there may be; more wait until one ends [default: two fifths of the open files that are allowed, at
    /// most 20000]
    #[arg(hide_short_help = true, long, value_name = "NUMBER", env = "IFMATCH_MAX_CONNECTIONS", value_parser = connections)]
    max_connections: Option<usize>,
    /// How many of them an address may have (in IPv6, a network of 64 bits); more are refused (503). 0 is no limit
    /// [default: a quarter of all, 64 at least]
    #[arg(hide_short_help = true, long, value_name = "NUMBER", env = "IFMATCH_MAX_CONNECTIONS_PER_ADDRESS")]
    max_connections_per_address: Option<usize>,
    /// How often an address may ask: 20/s, 600/m; as many as in ten seconds may come at once (429) [default: no limit]
    #[arg(hide_short_help = true, long, value_name = "RATE", env = "IFMATCH_RATE_LIMIT", value_parser = rate)]
    rate_limit: Option<Rate>,
}

impl LimitArgs {
    pub(super) fn lower(self) -> Limits {
        Limits {
            head: self.head_timeout,
            head_size: self.max_head_size,
            body: self.body_timeout,
            send: self.send_timeout,
            idle: self.idle_timeout,
            handshake: self.tls_timeout,
            // It is counted in seconds.
            shutdown: Duration::from_secs(self.shutdown_timeout.as_millis().div_ceil(1000) as u64),
            connections: self.max_connections.unwrap_or(usize::MAX),
            connections_per_address: self.max_connections_per_address.map(|number| match number {
                0 => usize::MAX,
                number => number,
            }),
            // What there is room for is known at start.
            more_files: usize::MAX,
            rate: self.rate_limit,
        }
    }
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    config::duration(text)
        .ok_or("a time is a number with ms, s, m or h, or one of seconds: 500ms, 10s, 2m, 90; at most 24h")
}

fn head_size(text: &str) -> Result<usize, &'static str> {
    let bytes = usize::try_from(size(text)?).unwrap_or(usize::MAX);
    match bytes {
        SMALLEST_HEAD..=LARGEST_HEAD => Ok(bytes),
        _ => Err("the head of a request may be limited to something from 4K to 128K"),
    }
}

fn connections(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("it is a number of at least 1")
}

/// `20/s`, `600/m`, `5000/h`.
fn rate(text: &str) -> Result<Rate, &'static str> {
    let form =
        "a rate is a number of requests with its unit, a second, a minute or an hour: 20/s, 600/m, 5000/h";
    let (requests, period) = text.split_once('/').ok_or(form)?;
    let requests: NonZeroU32 = requests.trim().parse().map_err(|_| form)?;
    let period = match period.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(form),
    };
    Ok(Rate { requests, period: Duration::from_secs(period) })
}

#[cfg(test)]
mod tests;
