//! Values that several options have: sizes, ports, addresses. The errors are second halves of sentences.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config;

pub(super) const PORT_FORM: &str = "a port is a number from 0 to 65535";

pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    config::size(text).ok_or("a size is a number of bytes, or one with K, M, G or T: 512K, 100M, 2G")
}

pub(super) fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| PORT_FORM)
}

pub(super) fn address_and_port(text: &str) -> Result<SocketAddr, &'static str> {
    text.replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| "an address with its port is written 127.0.0.1:9090 or [::1]:9090")
}

/// An address, also as it stands in a URL: `[::1]`, `localhost`.
pub(super) fn address(text: &str) -> Result<IpAddr, &'static str> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        _ => bare.parse().map_err(|_| {
            "an address is a number like 127.0.0.1 or ::1, without a port (that is --port); 0.0.0.0 is all of them"
        }),
    }
}
