//! Identifiers in AWS's own shapes.

use super::{Refusal, checked_string, quote};
use crate::spec::suggest::nearest;

checked_string! {
    /// An AWS account: twelve digits, of which the first may be zero.
    AccountId, check_account
}

checked_string! {
    /// An AWS region, such as `eu-central-1`.
    Region, check_region
}

checked_string! {
    /// An Amazon machine image, such as `ami-0123456789abcdef0`.
    ImageId, check_image
}

checked_string! {
    /// An EC2 instance type, such as `t3.micro`.
    InstanceType, check_instance_type
}

checked_string! {
    /// An availability zone, such as `eu-central-1a`, or a local zone, such as `us-west-2-lax-1a`.
    Zone, check_zone
}

checked_string! {
    /// A VPC, such as `vpc-0123456789abcdef0`.
    VpcId, check_vpc
}

checked_string! {
    /// A subnet, such as `subnet-0123456789abcdef0`.
    SubnetId, check_subnet
}

checked_string! {
    /// The ARN of a KMS key, never of an alias: what an alias names can change behind it.
    KeyArn, check_key_arn
}

checked_string! {
    /// An IAM action, such as `s3:GetObject`; `*` and `?` in it are wildcards.
    Action, check_action
}

checked_string! {
    /// What an IAM action is allowed on: an ARN, in which `*` and `?` are wildcards, or `*` for everything.
    ResourceArn, check_resource
}

checked_string! {
    /// The device that a data volume is attached as: `/dev/sdf` to `/dev/sdp`, which EC2 recommends for volumes beside
    /// those of an image (EC2 User Guide, "Device names for volumes on Amazon EC2 instances").
    Device, check_device
}

checked_string! {
    /// The ARN of an SNS topic.
    TopicArn, check_topic_arn
}

/// The partition that estates are made in.
const PARTITION: &str = "aws";
/// Partitions that they aren't, by what names of regions begin with there (IAM User Guide, "Amazon Resource Names"):
/// accounts, endpoints and prices are others, and not all have Budgets, which every estate needs.
const OTHER_PARTITIONS: &[(&str, &str)] = &[
    ("cn-", "aws-cn"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isoe-", "aws-iso-e"),
];
/// Regions of the partition `aws` (AWS General Reference, "Regions and Zones"), for [`Region::is_known`] and for the
/// nearest right word. A region that opens later still works: an unknown one is a warning, not an error.
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

impl Region {
    /// Whether this program knew the region when it was built.
    pub fn is_known(&self) -> bool {
        REGIONS.contains(&self.as_str())
    }

    /// The known region that is nearest to this one, if one is near.
    pub fn nearest_known(&self) -> Option<&'static str> {
        nearest(self.as_str(), REGIONS)
    }

    /// The partition that ARNs of this region begin with.
    pub fn partition(&self) -> &'static str {
        PARTITION
    }
}

impl Zone {
    /// Whether the zone's name is one of this region's.
    pub fn is_in(&self, region: &Region) -> bool {
        let rest = self.as_str().strip_prefix(region.as_str()).unwrap_or_default();
        rest.starts_with('-') || (rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_lowercase()))
    }
}

impl Action {
    /// Whether it names more than one action.
    pub fn has_wildcard(&self) -> bool {
        self.0.contains(['*', '?'])
    }
}

impl ResourceArn {
    /// Whether it names more than one resource.
    pub fn has_wildcard(&self) -> bool {
        self.0.contains(['*', '?'])
    }
}

impl InstanceType {
    /// What a bastion is unless the spec says otherwise: it only passes connections on.
    pub fn bastion_default() -> Self {
        Self("t3.micro".to_owned())
    }

    /// What a host is unless the spec says otherwise.
    pub fn host_default() -> Self {
        Self("t3.small".to_owned())
    }
}

fn check_account(text: &str) -> Result<(), Refusal> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let only_punctuated = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ' '));
    let refusal = Refusal::new(format!("{} isn't an AWS account", quote(text)), "twelve digits");
    Err(match digits.len() {
        12 if only_punctuated => refusal.help(format!("write it without punctuation: \"{digits}\"")),
        _ => refusal.help("`aws sts get-caller-identity --query Account` prints the one that you are in"),
    })
}

fn check_region(text: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = text.split('-').collect();
    let shaped = text.len() <= 14
        && parts.len() >= 3
        && parts[0].len() >= 2
        && parts[..parts.len() - 1].iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase()))
        && parts[parts.len() - 1].bytes().all(|b| b.is_ascii_digit())
        && parts[parts.len() - 1].len() == 1;
    if let Some((_, partition)) = OTHER_PARTITIONS.iter().find(|(prefix, _)| shaped && text.starts_with(prefix)) {
        let problem = format!("{} is in the partition {partition}, which isn't supported", quote(text));
        let expected = format!("a region of the partition {PARTITION}, such as \"eu-central-1\"");
        return Err(Refusal::new(problem, expected).help("an estate can't be made there with this version"));
    }
    if shaped {
        return Ok(());
    }
    let refusal = Refusal::new(format!("{} isn't an AWS region", quote(text)), "a region, such as \"eu-central-1\"");
    let zone_of = text.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|region| REGIONS.contains(region));
    Err(match (zone_of, nearest(text, REGIONS)) {
        (Some(region), _) => refusal.help(format!(
            "{} is an availability zone; its region is \"{region}\", and `network.zones` takes zones",
            quote(text)
        )),
        (None, Some(region)) => refusal.help(format!("did you mean \"{region}\"?")),
        (None, None) => refusal,
    })
}

fn check_zone(text: &str) -> Result<(), Refusal> {
    let region = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let shaped = region.len() + 1 == text.len()
        && region.ends_with(|c: char| c.is_ascii_digit())
        && region.split('-').count() >= 3
        && region.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if shaped {
        return Ok(());
    }
    let refusal =
        Refusal::new(format!("{} isn't an availability zone", quote(text)), "a zone, such as \"eu-central-1a\"");
    Err(refusal.help("`aws ec2 describe-availability-zones` lists your account's; leave it out and AWS chooses"))
}

fn check_image(text: &str) -> Result<(), Refusal> {
    let digits = text.strip_prefix("ami-").unwrap_or_default();
    if matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(Refusal::new(format!("{} isn't an image id", quote(text)), "ami- and 17 (or 8) hexadecimal digits")
        .help("`aws ec2 describe-images --owners self` lists the images of your account"))
}

fn check_vpc(text: &str) -> Result<(), Refusal> {
    check_id(text, "vpc-", "a VPC's id", "`aws ec2 describe-vpcs` lists your account's")
}

fn check_subnet(text: &str) -> Result<(), Refusal> {
    check_id(text, "subnet-", "a subnet's id", "`aws ec2 describe-subnets` lists your account's")
}

fn check_id(text: &str, prefix: &str, what: &str, help: &str) -> Result<(), Refusal> {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    if matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    let expected = format!("{prefix} and 17 (or 8) hexadecimal digits");
    Err(Refusal::new(format!("{} isn't {what}", quote(text)), expected).help(help))
}

fn check_key_arn(text: &str) -> Result<(), Refusal> {
    check_arn(text, "kms", "key/", "the ARN of a KMS key", "arn:aws:kms:eu-central-1:111111111111:key/…")
}

fn check_topic_arn(text: &str) -> Result<(), Refusal> {
    check_arn(text, "sns", "", "the ARN of an SNS topic", "arn:aws:sns:eu-central-1:111111111111:alerts")
}

fn check_arn(text: &str, service: &str, prefix: &str, what: &str, example: &str) -> Result<(), Refusal> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let shaped = match parts.as_slice() {
        ["arn", partition, of, region, account, resource] => {
            partition.starts_with("aws")
                && *of == service
                && check_region(region).is_ok()
                && check_account(account).is_ok()
                && resource.strip_prefix(prefix).is_some_and(|name| {
                    !name.is_empty()
                        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
                })
        }
        _ => false,
    };
    if shaped { Ok(()) } else { Err(Refusal::new(format!("{} isn't {what}", quote(text)), example)) }
}

fn check_action(text: &str) -> Result<(), Refusal> {
    let service_is_shaped =
        |service: &str| !service.is_empty() && service.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let name_is_shaped =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?'));
    match text.split_once(':') {
        Some((service, name)) if service_is_shaped(service) && name_is_shaped(name) => Ok(()),
        _ => Err(Refusal::new(
            format!("{} isn't an IAM action", quote(text)),
            "service:Action, such as \"s3:GetObject\"",
        )
        .help("the Service Authorization Reference lists each service's actions")),
    }
}

fn check_resource(text: &str) -> Result<(), Refusal> {
    let is_shaped = match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, service, _, _, resource] => {
            (partition.starts_with("aws") || *partition == "*") && !service.is_empty() && !resource.is_empty()
        }
        _ => text == "*",
    };
    // IAM's policies are ASCII, and `${` begins a variable of the caller's own.
    if is_shaped && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
        return Ok(());
    }
    Err(Refusal::new(format!("{} isn't an ARN", quote(text)), "an ARN, such as \"arn:aws:s3:::results/judge/one.txt\""))
}

fn check_device(text: &str) -> Result<(), Refusal> {
    match text.strip_prefix("/dev/sd").map(str::as_bytes) {
        Some([b'f'..=b'p']) => Ok(()),
        _ => Err(Refusal::new(format!("{} isn't a data volume's device", quote(text)), "/dev/sdf to /dev/sdp")
            .help("those are what EC2 recommends; on a host an NVMe device appears under that name in /dev/disk")),
    }
}

fn check_instance_type(text: &str) -> Result<(), Refusal> {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    match text.split_once('.') {
        Some((family, size)) if family.starts_with(|c: char| c.is_ascii_lowercase()) && word(family) && word(size) => {
            Ok(())
        }
        _ => Err(Refusal::new(format!("{} isn't an instance type", quote(text)), "family.size, such as \"t3.micro\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_twelve_digits() {
        assert!("012345678901".parse::<AccountId>().is_ok());
        for text in ["", "12345678901", "1234567890123", "12345678901a", "１２３４５６７８９０１２"] {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
        let refusal = "1111-2222-3333".parse::<AccountId>().unwrap_err();
        assert_eq!(refusal.help.as_deref(), Some("write it without punctuation: \"111122223333\""));
    }

    #[test]
    fn every_known_region_is_a_region_and_fits_role_names() {
        for name in REGIONS {
            let region: Region = name.parse().unwrap();
            assert!(region.is_known());
        }
        assert!("eu-central-9".parse::<Region>().is_ok_and(|region| !region.is_known()));
    }

    #[test]
    fn a_zone_is_told_from_a_region() {
        let refusal = "eu-central-1a".parse::<Region>().unwrap_err();
        assert!(refusal.help.unwrap().contains("availability zone"));
        for text in ["", "eu", "europe", "eu-central", "EU-CENTRAL-1", "eu-central-12", "-central-1", "eu--1"] {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_zone_belongs_to_its_region() {
        let region: Region = "eu-central-1".parse().unwrap();
        assert!("eu-central-1a".parse::<Zone>().unwrap().is_in(&region));
        assert!("eu-central-1-ham-1a".parse::<Zone>().unwrap().is_in(&region));
        assert!(!"eu-central-2a".parse::<Zone>().unwrap().is_in(&region));
        for text in ["", "a", "eu-central-1", "eu-central-1aa", "eu-central-1A", "1a"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }

    #[test]
    fn defaults_are_instance_types() {
        for default in [InstanceType::bastion_default(), InstanceType::host_default()] {
            assert_eq!(default.as_str().parse(), Ok(default));
        }
    }

    #[test]
    fn a_region_of_another_partition_is_refused_with_its_partition() {
        let table = [
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
        ];
        for (region, partition) in table {
            let refusal = region.parse::<Region>().unwrap_err();
            assert!(refusal.problem.contains(&format!("the partition {partition}")), "{refusal}");
        }
        assert_eq!("us-west-2".parse::<Region>().unwrap().partition(), "aws");
    }

    #[test]
    fn actions_and_resources_are_iams() {
        for text in ["s3:GetObject", "s3:*", "elasticloadbalancing:Describe?oadBalancers"] {
            assert!(text.parse::<Action>().is_ok(), "{text}");
        }
        for text in ["", "*", "s3", "s3:", ":Get", "S3:Get", "s3:Get Object", "s3:Get:Object"] {
            assert!(text.parse::<Action>().is_err(), "{text}");
        }
        for text in ["*", "arn:aws:s3:::results/*", "arn:aws-cn:sqs:cn-north-1:111111111111:jobs"] {
            assert!(text.parse::<ResourceArn>().is_ok(), "{text}");
        }
        for text in ["", "results", "arn:aws:s3", "arn:aws:s3:::", "arn:aws:s3:::a b", "arn:aws:s3:::a\"b"] {
            assert!(text.parse::<ResourceArn>().is_err(), "{text}");
        }
        assert!("s3:Get*".parse::<Action>().unwrap().has_wildcard());
        assert!(!"arn:aws:s3:::results".parse::<ResourceArn>().unwrap().has_wildcard());
    }

    #[test]
    fn a_data_volume_has_one_of_the_recommended_devices() {
        for text in ["/dev/sdf", "/dev/sdp"] {
            assert!(text.parse::<Device>().is_ok(), "{text}");
        }
        for text in ["", "/dev/sda1", "/dev/sde", "/dev/sdq", "/dev/sdf1", "/dev/xvdf", "sdf", "/dev/nvme1n1"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }

    #[test]
    fn images_and_instance_types_have_awss_shapes() {
        assert!("ami-0123456789abcdef0".parse::<ImageId>().is_ok());
        assert!("ami-12345678".parse::<ImageId>().is_ok());
        for text in ["", "ami-", "ami-0123456789ABCDEF0", "ami-0123", "i-0123456789abcdef0"] {
            assert!(text.parse::<ImageId>().is_err(), "{text}");
        }
        for text in ["t3.micro", "m7i-flex.large", "u-6tb1.metal", "c7g.16xlarge", "mac2.metal", "i4i.metal-24xl"] {
            assert!(text.parse::<InstanceType>().is_ok(), "{text}");
        }
        for text in ["", "t3", "t3.", ".micro", "t3.micro.big", "T3.micro", "t3 micro", "3t.micro"] {
            assert!(text.parse::<InstanceType>().is_err(), "{text}");
        }
    }
}
