//! The price table: `table.toml` beside this file, built into the program.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Money;
use crate::kind::Sku;
use crate::spec::Region;

/// Hours in a month, as AWS's own calculator counts: 365 × 24 / 12.
const HOURS: u64 = 730;

/// What AWS charges, by region.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// When these prices were AWS's, as a date.
    pub as_of: String,
    /// Where they are from.
    pub source: String,
    regions: BTreeMap<String, Prices>,
}

/// Prices of one region.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prices {
    key_month: Option<Money>,
    gp3_gib_month: Option<Money>,
    gp3_iops_month: Option<Money>,
    gp3_mib_per_second_month: Option<Money>,
    public_address_hour: Option<Money>,
    nat_gateway_hour: Option<Money>,
    interface_endpoint_hour: Option<Money>,
    instance_hour: BTreeMap<String, Money>,
}

/// The table is a part of the program, and a test reads it; one that can't be read would price nothing at all, which
/// every estimate says.
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("table.toml")).unwrap_or_else(|error| {
        tracing::error!(%error, "the built-in price table can't be read; please report this");
        Table { as_of: "never".to_owned(), source: "none".to_owned(), regions: BTreeMap::new() }
    })
});

impl Table {
    /// The one that is built in.
    pub fn built_in() -> &'static Self {
        &TABLE
    }

    /// What one of it costs in a month in a region, if that is known.
    pub fn monthly(&self, region: &Region, sku: &Sku) -> Option<Money> {
        let prices = self.regions.get(region.as_str())?;
        let hourly = |price: Option<Money>| price.map(|hour| hour.times(HOURS));
        match sku {
            Sku::Instance(of) => hourly(prices.instance_hour.get(of).copied()),
            Sku::Volume(of) if of == "gp3" => prices.gp3_gib_month,
            Sku::VolumeIops => prices.gp3_iops_month,
            Sku::VolumeThroughput => prices.gp3_mib_per_second_month,
            Sku::Key => prices.key_month,
            Sku::PublicAddress => hourly(prices.public_address_hour),
            Sku::NatGateway => hourly(prices.nat_gateway_hour),
            Sku::InterfaceEndpoint => hourly(prices.interface_endpoint_hour),
            Sku::Volume(_) | Sku::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    fn instance(region_name: &str, of: &str) -> Option<String> {
        let price = Table::built_in().monthly(&region(region_name), &Sku::Instance(of.to_owned()));
        price.map(|price| price.to_string())
    }

    #[test]
    fn the_table_can_be_read_and_says_of_when_it_is() {
        let table = Table::built_in();
        table.as_of.parse::<jiff::civil::Date>().unwrap();
        assert!(table.source.contains("https://"));
        for wanted in ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-1"] {
            let prices = &table.regions[wanted];
            for family in ["t3", "t3a", "t4g", "m6i", "m7i", "m7g", "c6i", "c7i", "c7g", "r6i", "r7i"] {
                assert!(prices.instance_hour.contains_key(&format!("{family}.large")), "{wanted} {family}");
            }
            assert!(prices.instance_hour.values().all(|price| *price > Money::default()));
        }
    }

    #[test]
    fn known_prices_are_those_of_the_calculator() {
        // https://calculator.aws for 730 hours: t3.micro in Frankfurt 8.76, in Virginia 7.59 (7.592).
        assert_eq!(instance("eu-central-1", "t3.micro").as_deref(), Some("8.76"));
        assert_eq!(instance("us-east-1", "t3.micro").as_deref(), Some("7.59"));
        assert_eq!(instance("us-east-1", "m7i.large").as_deref(), Some("73.58"));
        let nat = Table::built_in().monthly(&region("us-east-1"), &Sku::NatGateway).unwrap();
        assert_eq!(nat.to_string(), "32.85");
    }

    #[test]
    fn what_isnt_in_the_table_has_no_price() {
        assert_eq!(instance("eu-central-1", "x99.large"), None);
        assert_eq!(instance("eu-north-1", "t3.micro"), None);
        let io2 = Sku::Volume("io2".to_owned());
        assert_eq!(Table::built_in().monthly(&region("eu-central-1"), &io2), None);
        assert_eq!(Table::built_in().monthly(&region("eu-central-1"), &Sku::VolumeThroughput), None);
    }

    #[test]
    fn twice_the_size_costs_twice_as_much() {
        for prices in Table::built_in().regions.values() {
            for (of, large) in prices.instance_hour.iter().filter(|(of, _)| of.ends_with(".large")) {
                let double = &prices.instance_hour[&of.replace(".large", ".xlarge")];
                // Prices are given to the hundredth of a cent, some rounded.
                let (double, twice) = (double.times(1000).to_string(), large.times(2000).to_string());
                let cents = |text: &str| text.replace('.', "").parse::<u64>().unwrap();
                assert!(cents(&double).abs_diff(cents(&twice)) <= 20, "{of}: {double} {twice}");
            }
        }
    }
}
