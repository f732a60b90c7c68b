//! What the local server may ask outside: the public internet as on Lambda, and this very machine, where providers for a
//! try run.

use std::net::IpAddr;

use functions::{
    dns::Dns,
    outbound::{Outside, Reach, is_public},
};

/// The public internet and the loopback interface.
pub const REACH: Reach = Reach { addresses: is_public_or_here, plain_hosts: is_here };

fn is_public_or_here(address: IpAddr) -> bool {
    address.is_loopback() || is_public(address)
}

fn is_here(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

/// With the DNS that this machine has.
pub fn outside() -> Outside {
    Outside { reach: REACH, dns: Dns::system() }
}
