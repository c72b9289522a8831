//! What an estate is built on and doesn't make: its image, and AWS's list of S3's addresses. Its network: `network`.

use aws_sdk_ec2::types::{self as ec2, Filter, ImageState};
use aws_sdk_kms::types::{KeySpec, KeyState};

use super::{Cloud, CloudError, Service, found};
use crate::estate::{BootImage, Device, ExistingNetwork, Facts, Shown};
use crate::spec::{AccountId, Encryption, Image, ImageId, Region, Spec};

/// What a spec names and an estate is built on, as it was found.
#[derive(Clone, Debug)]
pub struct Named {
    image: BootImage,
    network: Option<ExistingNetwork>,
    organization: Option<String>,
}

impl Cloud {
    /// Looks up what the spec names of the account and the region.
    pub async fn named(&self, spec: &Spec) -> Result<Named, CloudError> {
        let organization = async {
            match spec.audit {
                Some(_) => self.organization().await,
                None => Ok(None),
            }
        };
        let (image, network, organization, ()) = tokio::try_join!(
            self.image(&spec.image, &spec.region),
            self.existing_network(spec),
            organization,
            self.check_key(spec)
        )?;
        Ok(Named { image, network, organization })
    }

    /// All that must be known before it can be said what is wanted: looks up what the estate, as it is, doesn't show.
    pub async fn facts(&self, spec: &Spec, named: Named, shown: Shown) -> Result<Facts, CloudError> {
        let s3_prefix_list = async {
            match &shown.s3_prefix_list {
                Some(list) => Ok(list.clone()),
                None => self.s3_prefix_list(&spec.region).await,
            }
        };
        let (zones, s3_prefix_list) = tokio::try_join!(self.zones(spec, &shown), s3_prefix_list)?;
        let Named { image, network, organization } = named;
        Ok(Facts { image, zones, used_zones: shown.zones, network, s3_prefix_list, organization })
    }

    /// Sees that the key that a spec names can encrypt what is made under it.
    async fn check_key(&self, spec: &Spec) -> Result<(), CloudError> {
        const OPERATION: &str = "DescribeKey";
        let Encryption::Existing(arn) = &spec.encryption else { return Ok(()) };
        let next = "name another one as the spec's `encryption.key`, or leave it out to have one made";
        let refuse = |what: &str| Err(CloudError::found(Service::Kms, OPERATION, format!("key {arn} {what}"), next));
        if arn.as_str().split(':').nth(3) != Some(spec.region.as_str()) {
            return refuse(&format!("isn't in {}, and volumes take keys of their own region only", spec.region));
        }
        let request = self.kms.describe_key().key_id(arn.as_str()).send();
        let answer = found(self.call(Service::Kms, OPERATION, request).await, &["NotFoundException"])?;
        let Some(key) = answer.and_then(|answer| answer.key_metadata) else { return refuse("isn't there") };
        match (key.key_state, key.key_spec) {
            (Some(KeyState::Enabled), Some(KeySpec::SymmetricDefault)) => Ok(()),
            (Some(KeyState::Enabled), _) => refuse("isn't a symmetric key, and volumes take no other"),
            (state, _) => {
                let state = state.map_or_else(|| "of unknown state".to_owned(), |state| state.to_string());
                refuse(&format!("is {state}, and volumes take enabled keys only"))
            }
        }
    }

    /// The image that a spec names, and its devices.
    async fn image(&self, image: &Image, region: &Region) -> Result<BootImage, CloudError> {
        let found = match image {
            Image::Id(id) => self.image_of_id(id, region).await?,
            Image::Channel { name, channel, owner } => {
                self.newest_image((name.as_str(), channel.as_str()), owner.as_ref(), region).await?
            }
        };
        boot_image(found)
    }

    /// The image of this id, which must be available.
    async fn image_of_id(&self, id: &ImageId, region: &Region) -> Result<ec2::Image, CloudError> {
        let request = self.ec2.describe_images().image_ids(id.as_str()).send();
        let answer = found(self.call(Service::Ec2, DESCRIBE_IMAGES, request).await, &["InvalidAMIID.NotFound"])?;
        let Some(image) = answer.and_then(|answer| answer.images?.into_iter().next()) else {
            let message = format!("image {id} isn't in {region}, or account {} may not use it", self.identity.account);
            return refuse(message, "name another one as the spec's `image.id`");
        };
        if image.state == Some(ImageState::Available) {
            return Ok(image);
        }
        let state = image.state.map_or_else(|| "unknown".to_owned(), |state| state.to_string());
        refuse(format!("image {id} is {state}, not available"), "wait for it, or name another one")
    }

    /// The newest available image of a name in a channel. Whoever owns images could give theirs these tags: so only one
    /// owner's count.
    async fn newest_image(
        &self,
        (name, channel): (&str, &str),
        owner: Option<&AccountId>,
        region: &Region,
    ) -> Result<ec2::Image, CloudError> {
        let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
        let pages = self
            .ec2
            .describe_images()
            .owners(owner.map_or("self", |owner| owner.as_str()))
            .filters(filter("tag:holdfast:image", name))
            .filters(filter("tag:holdfast:channel", channel))
            .filters(filter("state", ImageState::Available.as_str()))
            .max_results(1000)
            .into_paginator()
            .items()
            .send();
        let images: Vec<ec2::Image> = self.call(Service::Ec2, DESCRIBE_IMAGES, pages.try_collect()).await?;
        // ISO 8601 in UTC sorts as text; of two of one moment the same one is always taken.
        let newest = images.into_iter().max_by_key(|image| (image.creation_date.clone(), image.image_id.clone()));
        let whose = owner.map_or(self.identity.account.as_str(), |owner| owner.as_str());
        newest.map_or_else(
            || {
                let message = format!("account {whose} has no available image {name} in channel {channel} in {region}");
                refuse(
                    message,
                    "promote one to the channel, name its `image.owner`, or name an image by its `image.id`",
                )
            },
            Ok,
        )
    }

    /// The organisation that the account is in.
    async fn organization(&self) -> Result<Option<String>, CloudError> {
        let request = self.organizations.describe_organization().send();
        let answer = self.call(Service::Organizations, "DescribeOrganization", request).await;
        let answer = found(answer, &["AWSOrganizationsNotInUseException"])?;
        Ok(answer.and_then(|answer| answer.organization?.id))
    }

    async fn s3_prefix_list(&self, region: &Region) -> Result<String, CloudError> {
        const OPERATION: &str = "DescribeManagedPrefixLists";
        let name = format!("com.amazonaws.{region}.s3");
        let filter = Filter::builder().name("prefix-list-name").values(&name).build();
        let request = self.ec2.describe_managed_prefix_lists().filters(filter).send();
        let answer = self.call(Service::Ec2, OPERATION, request).await?;
        let lists = answer.prefix_lists.unwrap_or_default();
        lists
            .into_iter()
            .find(|list| list.prefix_list_name.as_deref() == Some(&name))
            .and_then(|list| list.prefix_list_id)
            .ok_or_else(|| {
                let message = format!("the region has no prefix list {name}");
                CloudError::found(Service::Ec2, OPERATION, message, "check the region's name")
            })
    }
}

const DESCRIBE_IMAGES: &str = "DescribeImages";

fn refuse<T>(message: String, next: &str) -> Result<T, CloudError> {
    Err(CloudError::found(Service::Ec2, DESCRIBE_IMAGES, message, next))
}

/// An image's devices, its root first.
fn boot_image(image: ec2::Image) -> Result<BootImage, CloudError> {
    let (id, root) = (image.image_id.unwrap_or_default(), image.root_device_name.unwrap_or_default());
    let mut devices: Vec<_> = image
        .block_device_mappings
        .unwrap_or_default()
        .into_iter()
        .filter_map(|mapping| Some(Device { gib: mapping.ebs?.volume_size?, name: mapping.device_name? }))
        .collect();
    devices.sort_by_key(|device| (device.name != root, device.name.clone()));
    if devices.first().is_none_or(|device| device.name != root) {
        return refuse(format!("image {id} has no root device on EBS"), "name an image that boots from EBS");
    }
    Ok(BootImage { id, devices })
}
