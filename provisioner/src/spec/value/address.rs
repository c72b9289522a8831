//! IPv4 ranges: the estate's network, and who may reach its bastion.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Refusal, quote};
use crate::rule;

/// A VPC takes /16 to /28 (VPC User Guide, "VPC CIDR blocks").
const WIDEST_VPC: u8 = 16;
/// A network is cut in quarters and the first of them again, and AWS's smallest subnet is /28.
const NARROWEST_VPC: u8 = 24;
/// AWS takes the first four addresses of a subnet and the last (VPC User Guide, "Subnet CIDR blocks").
const RESERVED: u32 = 5;

/// The range of an estate's network, /16 to /24.
///
/// It is cut in quarters. The first holds the public subnets, a quarter of it for each zone; the other three are the
/// private subnets of up to three zones. So a second zone moves no address of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkRange(Ipv4Net);

/// A range that may reach the bastion: never the whole internet, and wider than /8 only where a spec accepts that risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BastionRange(Ipv4Net);

impl NetworkRange {
    /// `10.0.0.0/16`.
    pub const DEFAULT: Self = Self(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 16));

    /// How many zones there is room for.
    pub const ZONES: u32 = 3;

    /// The range itself.
    pub fn net(self) -> Ipv4Net {
        self.0
    }

    /// The public subnet of the zone at this place, from 0 to below [`Self::ZONES`].
    pub fn public_subnet(self, place: u32) -> Ipv4Net {
        self.part(4, place)
    }

    /// The private subnet of the zone at this place, from 0 to below [`Self::ZONES`].
    pub fn private_subnet(self, place: u32) -> Ipv4Net {
        self.part(2, place + 1)
    }

    /// The place whose private subnet this is, in whatever network was cut like this.
    pub fn place_of(private: Ipv4Net) -> Option<u32> {
        let part = u32::from(private.network()).checked_shr(32 - u32::from(private.prefix_len()))? % 4;
        part.checked_sub(1)
    }

    /// How many hosts one zone's private subnet has addresses for.
    pub fn host_capacity(self) -> u32 {
        (1u32 << (32 - self.private_subnet(0).prefix_len())) - RESERVED
    }

    /// The part numbered `index` where the range is cut into 2^`bits` equal ones.
    fn part(self, bits: u8, index: u32) -> Ipv4Net {
        let prefix = self.0.prefix_len() + bits;
        let address = u32::from(self.0.network()) + (index << (32 - prefix));
        Ipv4Net::new_assert(Ipv4Addr::from(address), prefix)
    }
}

impl BastionRange {
    /// The range itself.
    pub fn net(self) -> Ipv4Net {
        self.0
    }
}

impl std::str::FromStr for NetworkRange {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let expected = "a private range from /16 to /24, such as \"10.0.0.0/16\"";
        let net = parse(text, expected)?;
        if !(WIDEST_VPC..=NARROWEST_VPC).contains(&net.prefix_len()) {
            let why =
                if net.prefix_len() < WIDEST_VPC { "wider than AWS's widest network" } else { "too small to cut" };
            return Err(Refusal::new(format!("{net} is {why}"), expected)
                .under(&rule::NETWORK_RANGE)
                .help("a network of /24 has addresses for 59 hosts, one of /16 for 16,379"));
        }
        let private = [[10, 0, 0, 0], [172, 16, 0, 0], [192, 168, 0, 0], [100, 64, 0, 0]]
            .into_iter()
            .zip([8, 12, 16, 10])
            .any(|(address, prefix)| Ipv4Net::new_assert(Ipv4Addr::from(address), prefix).contains(&net));
        if !private {
            return Err(Refusal::new(format!("{net} isn't a private range"), expected)
                .under(&rule::NETWORK_RANGE)
                .help(
                    "private are 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918) and 100.64.0.0/10 (RFC 6598)",
                ));
        }
        Ok(Self(net))
    }
}

impl std::str::FromStr for BastionRange {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let expected = "a range no wider than /8, such as \"203.0.113.0/24\"";
        let net = parse(text, expected)?;
        let advice = "name the ranges that your people come from; `curl https://checkip.amazonaws.com` prints yours";
        if net.prefix_len() == 0 {
            let refusal = Refusal::new(format!("{net} lets the whole internet reach the bastion"), expected);
            return Err(refusal.under(&rule::BASTION_RANGE).help(advice));
        }
        Ok(Self(net))
    }
}

fn parse(text: &str, expected: &str) -> Result<Ipv4Net, Refusal> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Err(Refusal::new(format!("{} is an address, not a range", quote(text)), expected)
            .help(format!("for that address alone write \"{address}/32\"")));
    }
    if text.parse::<ipnet::Ipv6Net>().is_ok() || text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(Refusal::new(format!("{} is IPv6, and estates have IPv4 networks", quote(text)), expected));
    }
    let net: Ipv4Net =
        text.parse().map_err(|_| Refusal::new(format!("{} isn't an IPv4 range", quote(text)), expected))?;
    if net.network() != net.addr() {
        // EC2 would round it down silently, and the next plan would see a difference.
        return Err(Refusal::new(format!("{net} has bits set beyond its /{}", net.prefix_len()), expected)
            .help(format!("the range is \"{}\", the address alone \"{}/32\"", net.trunc(), net.addr())));
    }
    Ok(net)
}

macro_rules! text_form {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0.to_string())
            }
        }

        impl From<$name> for String {
            fn from(range: $name) -> Self {
                range.0.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                text.parse()
            }
        }
    };
}
text_form!(NetworkRange);
text_form!(BastionRange);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_never_reaches_a_bastion() {
        assert!("0.0.0.0/0".parse::<BastionRange>().is_err());
        for text in ["8.0.0.0/8", "203.0.113.0/24", "203.0.113.7/32"] {
            assert_eq!(text.parse::<BastionRange>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn near_misses_are_told_what_to_write() {
        let help = |text: &str| text.parse::<BastionRange>().unwrap_err().help.unwrap();
        assert_eq!(help("203.0.113.7"), "for that address alone write \"203.0.113.7/32\"");
        assert_eq!(help("203.0.113.7/24"), "the range is \"203.0.113.0/24\", the address alone \"203.0.113.7/32\"");
        for text in ["", "ten", "10.0.0.0/33", "10.0.0/8", "::/0", "fd00::1"] {
            assert!(text.parse::<BastionRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_is_private_and_cut_without_overlap() {
        for text in ["10.0.0.0/16", "10.1.2.0/24", "172.31.0.0/20", "192.168.0.0/16", "100.64.0.0/16"] {
            let range: NetworkRange = text.parse().unwrap();
            let (public, private) = (range.public_subnet(0), range.private_subnet(0));
            assert!(range.net().contains(&public) && range.net().contains(&private), "{text}");
            assert!(!public.contains(&private) && !private.contains(&public), "{text}");
            assert!(public.prefix_len() <= 28 && private.prefix_len() <= 28, "{text}");
        }
        for text in ["10.0.0.0/8", "10.0.0.0/25", "8.8.0.0/16", "169.254.0.0/16", "127.0.0.0/16", "172.32.0.0/16"] {
            assert!(text.parse::<NetworkRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_zone_has_a_part_of_its_own_that_tells_its_place() {
        for text in ["10.0.0.0/16", "10.1.2.0/24", "172.31.16.0/20"] {
            let range: NetworkRange = text.parse().unwrap();
            let parts: Vec<_> =
                (0..NetworkRange::ZONES).flat_map(|at| [range.public_subnet(at), range.private_subnet(at)]).collect();
            for (index, part) in parts.iter().enumerate() {
                assert!(range.net().contains(part), "{part}");
                assert!(!parts[..index].iter().any(|other| other.contains(part) || part.contains(other)), "{part}");
            }
            for place in 0..NetworkRange::ZONES {
                assert_eq!(NetworkRange::place_of(range.private_subnet(place)), Some(place), "{text}");
            }
        }
        assert_eq!(NetworkRange::place_of("0.0.0.0/0".parse().unwrap()), None);
    }

    #[test]
    fn the_default_network_has_the_documented_capacity() {
        assert_eq!(NetworkRange::DEFAULT.public_subnet(0).to_string(), "10.0.0.0/20");
        assert_eq!(NetworkRange::DEFAULT.private_subnet(0).to_string(), "10.0.64.0/18");
        assert_eq!(NetworkRange::DEFAULT.host_capacity(), 16_379);
        assert_eq!("10.0.0.0/24".parse::<NetworkRange>().unwrap().host_capacity(), 59);
    }
}
