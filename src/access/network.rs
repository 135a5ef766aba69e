//! Who counts as one client: an IPv4 address, or the IPv6 network of 64 bits that one subscriber has.

use std::net::IpAddr;

/// An address, as far as it tells clients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// All of it.
    V4([u8; 4]),
    /// Its first half.
    V6([u8; 8]),
}

impl Network {
    /// That of an address. An IPv4 address that is written as an IPv6 one is an IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let mut half = [0; 8];
                half.copy_from_slice(&address.octets()[..8]);
                Self::V6(half)
            }
        }
    }

    /// Its bytes: 4 or 8.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests;
