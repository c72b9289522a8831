//! Launch templates: what every host of a group is started as, in one place.
//!
//! A template's versions never change, so a change is a new version that becomes the default, and that version's
//! number is what a group of instances or an Auto Scaling group starts from. It names no subnet, since a group is in
//! several: whoever starts a host names one. Tags of plain instances aren't in it, for RunInstances gives them; those of
//! a fleet's volumes and interfaces are, because Auto Scaling tags nothing but the instance.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    InstanceType, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateInstanceMetadataTagsState, LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
    LaunchTemplateTagSpecification, LaunchTemplateTagSpecificationRequest, LaunchTemplateVersion,
    RequestLaunchTemplateData, ResourceType, ResponseLaunchTemplateData, VolumeType,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, filter, id_of, of_estate, read_tags, retag, tagged, with_tags, write_tags};
use super::{
    Call, Context, Difference, KindError, Left, Observed, Operations, Practice, SOON, Wanted, When, make_by_token,
    properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Link, Scope};

/// A launch template's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplate<L = Link> {
    /// The image.
    pub image: String,
    /// The instance type.
    pub instance_type: String,
    /// The ARN of the instance profile.
    pub profile: L,
    /// The security groups.
    pub groups: Vec<L>,
    /// Whether the host has a public address.
    pub public_address: bool,
    /// Its volumes, the root first.
    pub volumes: Vec<Volume<L>>,
    /// How the metadata service answers.
    pub metadata: Metadata,
    /// Whether EC2 refuses to end a host until that is taken back.
    pub protected: bool,
    /// The tags of volumes, where nobody else gives them any.
    pub volume_tags: BTreeMap<String, String>,
    /// The tags of network interfaces, where nobody else gives them any.
    pub interface_tags: BTreeMap<String, String>,
    /// What the host is told as it starts; not secret.
    pub user_data: String,
}

/// A volume of a host, made from the image's device of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Volume<L = Link> {
    /// The device's name in the image.
    pub device: String,
    /// Its size in GiB.
    pub gib: i32,
    /// Its type, such as `gp3`.
    pub volume_type: String,
    /// I/O operations per second.
    pub iops: i32,
    /// MiB per second.
    pub throughput: i32,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The ARN of the key.
    pub key: L,
    /// Whether it goes with its host.
    pub delete_on_termination: bool,
}

/// How the metadata service answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Whether it does.
    pub enabled: bool,
    /// Whether only with a session's token: IMDSv2, which a program that can be made to fetch an address can't get.
    pub tokens_required: bool,
    /// How many hops an answer may go: 1 keeps it from whatever sits behind the host.
    pub hop_limit: i32,
    /// Whether it tells the instance's tags.
    pub tags: bool,
}

impl Metadata {
    /// What every host has.
    pub const HARDENED: Self = Self { enabled: true, tokens_required: true, hop_limit: 1, tags: false };
}

pub(super) struct LaunchTemplates;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeLaunchTemplates", resources: &["*"] },
    Call { when: When::Discover, action: "ec2:DescribeLaunchTemplateVersions", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateLaunchTemplate", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateLaunchTemplateVersion", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyLaunchTemplate", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteLaunchTemplate", resources: &["*"] },
];

impl Operations for LaunchTemplates {
    fn practice(&self) -> Practice {
        Practice {
            what: "Says what a group's hosts are, in one place",
            why: "Metadata options, encryption and user data are compared once for a group, and a version is a generation",
            source: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-launch-templates.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("versions but the default", "no host of the estate runs them: one that does is replaced"),
            ("fields that Holdfast doesn't set", "a new version, made for any other difference, drops them"),
        ]
    }

    fn renews(&self, differences: &[Difference]) -> &'static [&'static str] {
        let other_data = differences.iter().any(|difference| !difference.property.starts_with("tags."));
        if other_data { &["version"] } else { &[] }
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Observed>, KindError>> {
        Box::pin(async move {
            let pages =
                cloud.ec2.describe_launch_templates().filters(of_estate(scope)).max_results(200).into_paginator();
            let templates = cloud.call(Service::Ec2, "DescribeLaunchTemplates", pages.items().send().try_collect());
            let (templates, mut defaults): (Vec<_>, _) = tokio::try_join!(templates, defaults(cloud))?;
            let mut all = Vec::new();
            for template in templates {
                // What one answer has and the other hasn't was made or deleted between them.
                let version = template.launch_template_id.as_ref().and_then(|id| defaults.remove(id));
                if let Some(version) = version {
                    all.extend(read(template, version)?);
                }
            }
            Ok(all)
        })
    }

    fn create<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            let template: LaunchTemplate<String> = wanted.parse()?;
            let make = async |attempt| make(cx, wanted, &template, attempt).await;
            let seen = async |id: String| Ok(by(cx.cloud, "launch-template-id", &id).await?.is_some());
            match make_by_token(&wanted.resource.id, make, seen).await {
                Ok(id) => Ok(BTreeMap::from([("id".to_owned(), id), ("version".to_owned(), "1".to_owned())])),
                Err(KindError::Cloud(error)) if error.is(&["InvalidLaunchTemplateName.AlreadyExistsException"]) => {
                    adopt(cx, wanted).await
                }
                Err(error) => Err(error),
            }
        })
    }

    fn change<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            retag(cx.cloud, wanted, current).await?;
            let (new, old): (LaunchTemplate<String>, LaunchTemplate<String>) = (wanted.parse()?, current.parse()?);
            if new == old { Ok(current.attributes.clone()) } else { new_version(cx, wanted, &new, current).await }
        })
    }

    fn delete<'a>(
        &'a self,
        cx: &'a Context<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<Option<Left>, KindError>> {
        Box::pin(async move {
            let request = cx.cloud.ec2.delete_launch_template().launch_template_id(&current.physical).send();
            found(cx.cloud.call(Service::Ec2, "DeleteLaunchTemplate", request).await, NOT_YET)?;
            Ok(None)
        })
    }
}

async fn make(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    template: &LaunchTemplate<String>,
    attempt: u32,
) -> Result<String, KindError> {
    let request = cx
        .cloud
        .ec2
        .create_launch_template()
        .launch_template_name(&wanted.resource.name)
        .launch_template_data(data(template))
        .set_version_description(wanted.resource.tags.get("Description").cloned())
        .client_token(wanted.token(cx.scope, "launch-template", attempt))
        .tag_specifications(tagged(ResourceType::LaunchTemplate, &wanted.resource.tags));
    let call = || cx.cloud.call(Service::Ec2, "CreateLaunchTemplate", request.clone().send());
    let made = cx.cloud.patiently(SOON, NOT_YET, call).await?;
    let id = made.launch_template.and_then(|template| template.launch_template_id);
    Ok(id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateLaunchTemplate", "launch template"))?)
}

/// Takes over what a crashed run made and discovery didn't see yet.
async fn adopt(cx: &Context<'_>, wanted: &Wanted<'_>) -> Result<BTreeMap<String, String>, KindError> {
    let name = &wanted.resource.name;
    let foreign =
        || KindError::Foreign { kind: Kind::LaunchTemplate, name: name.clone(), estate: cx.scope.estate.to_string() };
    let template = by(cx.cloud, "launch-template-name", name).await?.ok_or_else(foreign)?;
    let physical = template.launch_template_id.clone().unwrap_or_default();
    let version = default_of(cx.cloud, &physical).await?.ok_or_else(foreign)?;
    let current = read(template, version)?.filter(|found| found.id == wanted.resource.id);
    LaunchTemplates.change(cx, wanted, &current.ok_or_else(foreign)?).await
}

/// A template by one of its attributes, whoever's it is.
async fn by(cloud: &Cloud, name: &str, value: &str) -> Result<Option<aws_sdk_ec2::types::LaunchTemplate>, KindError> {
    let request = cloud.ec2.describe_launch_templates();
    let request = match name {
        "launch-template-id" => request.launch_template_ids(value),
        _ => request.filters(filter(name, value)),
    };
    let answer = found(cloud.call(Service::Ec2, "DescribeLaunchTemplates", request.send()).await, NOT_YET)?;
    Ok(answer.and_then(|answer| answer.launch_templates?.into_iter().next()))
}

/// The default version of one template.
async fn default_of(cloud: &Cloud, template: &str) -> Result<Option<LaunchTemplateVersion>, CloudError> {
    let request =
        cloud.ec2.describe_launch_template_versions().launch_template_id(template).versions("$Default").send();
    let answer = found(cloud.call(Service::Ec2, "DescribeLaunchTemplateVersions", request).await, NOT_YET)?;
    Ok(answer.and_then(|answer| answer.launch_template_versions?.into_iter().next()))
}

/// The default versions of all the account's templates, by template: one call, and no filter knows the estate.
async fn defaults(cloud: &Cloud) -> Result<BTreeMap<String, LaunchTemplateVersion>, CloudError> {
    let pages = cloud.ec2.describe_launch_template_versions().versions("$Default").max_results(200).into_paginator();
    let versions: Vec<LaunchTemplateVersion> =
        cloud.call(Service::Ec2, "DescribeLaunchTemplateVersions", pages.items().send().try_collect()).await?;
    Ok(versions.into_iter().filter_map(|version| Some((version.launch_template_id.clone()?, version))).collect())
}

/// A template that has an id inside the estate, by its default version.
fn read(
    template: aws_sdk_ec2::types::LaunchTemplate,
    version: LaunchTemplateVersion,
) -> Result<Option<Observed>, KindError> {
    let tags = read_tags(template.tags);
    let (Some(id), Some(physical)) = (id_of(&tags), template.launch_template_id) else { return Ok(None) };
    let data = version.launch_template_data.unwrap_or_else(|| ResponseLaunchTemplateData::builder().build());
    let properties = properties(&id, &read_data(data))?;
    let mut observed = Observed::new(Kind::LaunchTemplate, id, &physical, properties)
        .attribute("version", version.version_number.unwrap_or_default().to_string());
    observed.created = template.create_time.map(|time| time.secs());
    Ok(Some(with_tags(observed, tags)))
}

async fn new_version(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    new: &LaunchTemplate<String>,
    current: &Observed,
) -> Result<BTreeMap<String, String>, KindError> {
    let request = cx
        .cloud
        .ec2
        .create_launch_template_version()
        .launch_template_id(&current.physical)
        .launch_template_data(data(new))
        .set_version_description(wanted.resource.tags.get("Description").cloned())
        .client_token(wanted.token(cx.scope, "launch-template-version", 0));
    let call = || cx.cloud.call(Service::Ec2, "CreateLaunchTemplateVersion", request.clone().send());
    let made = cx.cloud.patiently(SOON, NOT_YET, call).await?.launch_template_version;
    let version = made.and_then(|made| made.version_number);
    let version = version
        .ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateLaunchTemplateVersion", "version's number"))?
        .to_string();
    let request = cx.cloud.ec2.modify_launch_template().launch_template_id(&current.physical).default_version(&version);
    let call = || cx.cloud.call(Service::Ec2, "ModifyLaunchTemplate", request.clone().send());
    cx.cloud.patiently(SOON, &["InvalidLaunchTemplateId.VersionNotFound"], call).await?;
    let mut attributes = current.attributes.clone();
    attributes.insert("version".to_owned(), version);
    Ok(attributes)
}

/// A template's data as EC2 takes it.
fn data(template: &LaunchTemplate<String>) -> RequestLaunchTemplateData {
    let interface = LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
        .device_index(0)
        .set_groups(Some(template.groups.clone()))
        .associate_public_ip_address(template.public_address)
        .delete_on_termination(true)
        .build();
    let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(match template.metadata.enabled {
            true => LaunchTemplateInstanceMetadataEndpointState::Enabled,
            false => LaunchTemplateInstanceMetadataEndpointState::Disabled,
        })
        .http_tokens(match template.metadata.tokens_required {
            true => LaunchTemplateHttpTokensState::Required,
            false => LaunchTemplateHttpTokensState::Optional,
        })
        .http_put_response_hop_limit(template.metadata.hop_limit)
        .instance_metadata_tags(match template.metadata.tags {
            true => LaunchTemplateInstanceMetadataTagsState::Enabled,
            false => LaunchTemplateInstanceMetadataTagsState::Disabled,
        })
        .build();
    let volumes = template.volumes.iter().map(|volume| {
        let ebs = LaunchTemplateEbsBlockDeviceRequest::builder()
            .encrypted(volume.encrypted)
            .kms_key_id(&volume.key)
            .volume_type(VolumeType::from(volume.volume_type.as_str()))
            .volume_size(volume.gib)
            .iops(volume.iops)
            .throughput(volume.throughput)
            .delete_on_termination(volume.delete_on_termination)
            .build();
        LaunchTemplateBlockDeviceMappingRequest::builder().device_name(&volume.device).ebs(ebs).build()
    });
    RequestLaunchTemplateData::builder()
        .image_id(&template.image)
        .instance_type(InstanceType::from(template.instance_type.as_str()))
        .iam_instance_profile(
            LaunchTemplateIamInstanceProfileSpecificationRequest::builder().arn(&template.profile).build(),
        )
        .network_interfaces(interface)
        .set_block_device_mappings(Some(volumes.collect()))
        .metadata_options(metadata)
        .disable_api_termination(template.protected)
        .set_tag_specifications(tag_specifications(template))
        .user_data(BASE64_STANDARD.encode(&template.user_data))
        .build()
}

/// What Auto Scaling has EC2 tag volumes and interfaces with.
fn tag_specifications(template: &LaunchTemplate<String>) -> Option<Vec<LaunchTemplateTagSpecificationRequest>> {
    let of = |kind, tags: &BTreeMap<String, String>| {
        let tags = Some(write_tags(tags));
        LaunchTemplateTagSpecificationRequest::builder().resource_type(kind).set_tags(tags).build()
    };
    let all =
        [(ResourceType::Volume, &template.volume_tags), (ResourceType::NetworkInterface, &template.interface_tags)];
    let all: Vec<_> = all.into_iter().filter(|(_, tags)| !tags.is_empty()).map(|(kind, tags)| of(kind, tags)).collect();
    (!all.is_empty()).then_some(all)
}

/// A template's data as EC2 gives it back.
fn read_data(data: ResponseLaunchTemplateData) -> LaunchTemplate<String> {
    let interface = data.network_interfaces.unwrap_or_default().into_iter().next();
    let (groups, public) = match interface {
        Some(interface) => (interface.groups, interface.associate_public_ip_address),
        None => (data.security_group_ids, None),
    };
    let metadata = data.metadata_options;
    let volumes = data.block_device_mappings.unwrap_or_default().into_iter().filter_map(|mapping| {
        let ebs = mapping.ebs?;
        Some(Volume {
            device: mapping.device_name.unwrap_or_default(),
            gib: ebs.volume_size.unwrap_or_default(),
            volume_type: ebs.volume_type.map(|kind| kind.to_string()).unwrap_or_default(),
            iops: ebs.iops.unwrap_or_default(),
            throughput: ebs.throughput.unwrap_or_default(),
            encrypted: ebs.encrypted.unwrap_or(false),
            key: ebs.kms_key_id.unwrap_or_default(),
            delete_on_termination: ebs.delete_on_termination.unwrap_or(false),
        })
    });
    let user_data = BASE64_STANDARD.decode(data.user_data.unwrap_or_default()).unwrap_or_default();
    let tags = data.tag_specifications.unwrap_or_default();
    LaunchTemplate {
        image: data.image_id.unwrap_or_default(),
        instance_type: data.instance_type.map(|kind| kind.to_string()).unwrap_or_default(),
        profile: data.iam_instance_profile.and_then(|profile| profile.arn).unwrap_or_default(),
        groups: groups.unwrap_or_default(),
        public_address: public.unwrap_or(false),
        volumes: volumes.collect(),
        metadata: Metadata {
            enabled: metadata.as_ref().and_then(|options| options.http_endpoint.clone())
                != Some(LaunchTemplateInstanceMetadataEndpointState::Disabled),
            tokens_required: metadata.as_ref().and_then(|options| options.http_tokens.clone())
                == Some(LaunchTemplateHttpTokensState::Required),
            hop_limit: metadata.as_ref().and_then(|options| options.http_put_response_hop_limit).unwrap_or(1),
            tags: metadata.and_then(|options| options.instance_metadata_tags)
                == Some(LaunchTemplateInstanceMetadataTagsState::Enabled),
        },
        protected: data.disable_api_termination.unwrap_or(false),
        volume_tags: tags_of(&tags, &ResourceType::Volume),
        interface_tags: tags_of(&tags, &ResourceType::NetworkInterface),
        user_data: String::from_utf8_lossy(&user_data).into_owned(),
    }
}

/// The tags that a template has for resources of one type.
fn tags_of(all: &[LaunchTemplateTagSpecification], kind: &ResourceType) -> BTreeMap<String, String> {
    read_tags(all.iter().find(|one| one.resource_type.as_ref() == Some(kind)).and_then(|one| one.tags.clone()))
}
