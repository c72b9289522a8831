//! AWS's names as closed lists: the actions and the condition keys that Holdfast's policies use.
//!
//! Stops: the policy that reads well and does nothing. AWS stores a misspelt action or condition key without a word; an
//! `Allow` with one never grants, and a `Deny` with one never denies.
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/>.

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// As AWS spells it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

names! {
    /// An action of one service; none of them is a pattern (for those see [`crate::Broad`]).
    Action {
        Ec2MessagesAcknowledgeMessage = "ec2messages:AcknowledgeMessage",
        Ec2MessagesDeleteMessage = "ec2messages:DeleteMessage",
        Ec2MessagesFailMessage = "ec2messages:FailMessage",
        Ec2MessagesGetEndpoint = "ec2messages:GetEndpoint",
        Ec2MessagesGetMessages = "ec2messages:GetMessages",
        Ec2MessagesSendReply = "ec2messages:SendReply",
        S3BypassGovernanceRetention = "s3:BypassGovernanceRetention",
        S3DeleteObject = "s3:DeleteObject",
        S3DeleteObjectTagging = "s3:DeleteObjectTagging",
        S3DeleteObjectVersion = "s3:DeleteObjectVersion",
        S3DeleteObjectVersionTagging = "s3:DeleteObjectVersionTagging",
        S3GetBucketLocation = "s3:GetBucketLocation",
        S3GetBucketObjectLockConfiguration = "s3:GetBucketObjectLockConfiguration",
        S3GetBucketPolicy = "s3:GetBucketPolicy",
        S3GetBucketVersioning = "s3:GetBucketVersioning",
        S3GetObject = "s3:GetObject",
        S3GetObjectRetention = "s3:GetObjectRetention",
        S3GetObjectVersion = "s3:GetObjectVersion",
        S3ListBucket = "s3:ListBucket",
        S3ListBucketVersions = "s3:ListBucketVersions",
        S3PutObject = "s3:PutObject",
        S3PutObjectAcl = "s3:PutObjectAcl",
        S3PutObjectLegalHold = "s3:PutObjectLegalHold",
        S3PutObjectRetention = "s3:PutObjectRetention",
        S3PutObjectTagging = "s3:PutObjectTagging",
        S3PutObjectVersionAcl = "s3:PutObjectVersionAcl",
        S3PutObjectVersionTagging = "s3:PutObjectVersionTagging",
        KmsCancelKeyDeletion = "kms:CancelKeyDeletion",
        KmsCreateAlias = "kms:CreateAlias",
        KmsCreateGrant = "kms:CreateGrant",
        KmsDecrypt = "kms:Decrypt",
        KmsDeleteAlias = "kms:DeleteAlias",
        KmsDescribeKey = "kms:DescribeKey",
        KmsDisableKey = "kms:DisableKey",
        KmsEnableKey = "kms:EnableKey",
        KmsEnableKeyRotation = "kms:EnableKeyRotation",
        KmsEncrypt = "kms:Encrypt",
        KmsGenerateDataKey = "kms:GenerateDataKey",
        KmsGenerateDataKeyWithoutPlaintext = "kms:GenerateDataKeyWithoutPlaintext",
        KmsGetKeyPolicy = "kms:GetKeyPolicy",
        KmsGetKeyRotationStatus = "kms:GetKeyRotationStatus",
        KmsListGrants = "kms:ListGrants",
        KmsListKeyPolicies = "kms:ListKeyPolicies",
        KmsListResourceTags = "kms:ListResourceTags",
        KmsPutKeyPolicy = "kms:PutKeyPolicy",
        KmsReEncryptFrom = "kms:ReEncryptFrom",
        KmsReEncryptTo = "kms:ReEncryptTo",
        KmsRetireGrant = "kms:RetireGrant",
        KmsRevokeGrant = "kms:RevokeGrant",
        KmsScheduleKeyDeletion = "kms:ScheduleKeyDeletion",
        KmsTagResource = "kms:TagResource",
        KmsUntagResource = "kms:UntagResource",
        KmsUpdateAlias = "kms:UpdateAlias",
        KmsUpdateKeyDescription = "kms:UpdateKeyDescription",
        SsmDescribeAssociation = "ssm:DescribeAssociation",
        SsmDescribeDocument = "ssm:DescribeDocument",
        SsmGetDeployablePatchSnapshotForInstance = "ssm:GetDeployablePatchSnapshotForInstance",
        SsmGetDocument = "ssm:GetDocument",
        SsmGetManifest = "ssm:GetManifest",
        SsmGetParameter = "ssm:GetParameter",
        SsmGetParameters = "ssm:GetParameters",
        SsmGetParametersByPath = "ssm:GetParametersByPath",
        SsmListAssociations = "ssm:ListAssociations",
        SsmListInstanceAssociations = "ssm:ListInstanceAssociations",
        SsmPutComplianceItems = "ssm:PutComplianceItems",
        SsmPutConfigurePackageResult = "ssm:PutConfigurePackageResult",
        SsmPutInventory = "ssm:PutInventory",
        SsmUpdateAssociationStatus = "ssm:UpdateAssociationStatus",
        SsmUpdateInstanceAssociationStatus = "ssm:UpdateInstanceAssociationStatus",
        SsmUpdateInstanceInformation = "ssm:UpdateInstanceInformation",
        SsmMessagesCreateControlChannel = "ssmmessages:CreateControlChannel",
        SsmMessagesCreateDataChannel = "ssmmessages:CreateDataChannel",
        SsmMessagesOpenControlChannel = "ssmmessages:OpenControlChannel",
        SsmMessagesOpenDataChannel = "ssmmessages:OpenDataChannel",
        LogsCreateLogStream = "logs:CreateLogStream",
        LogsDescribeLogGroups = "logs:DescribeLogGroups",
        LogsDescribeLogStreams = "logs:DescribeLogStreams",
        LogsPutLogEvents = "logs:PutLogEvents",
        StsAssumeRole = "sts:AssumeRole",
    }
}

names! {
    /// A condition key.
    Key {
        PrincipalAccount = "aws:PrincipalAccount",
        PrincipalArn = "aws:PrincipalArn",
        PrincipalOrgId = "aws:PrincipalOrgID",
        ResourceAccount = "aws:ResourceAccount",
        SourceAccount = "aws:SourceAccount",
        SourceArn = "aws:SourceArn",
        SecureTransport = "aws:SecureTransport",
        S3IfNoneMatch = "s3:if-none-match",
        S3ObjectCreationOperation = "s3:ObjectCreationOperation",
        S3CopySource = "s3:x-amz-copy-source",
        S3Encryption = "s3:x-amz-server-side-encryption",
        S3EncryptionKey = "s3:x-amz-server-side-encryption-aws-kms-key-id",
        S3CustomerAlgorithm = "s3:x-amz-server-side-encryption-customer-algorithm",
        S3StorageClass = "s3:x-amz-storage-class",
        KmsBypassPolicyLockoutSafetyCheck = "kms:BypassPolicyLockoutSafetyCheck",
        KmsEncryptionContextS3Arn = "kms:EncryptionContext:aws:s3:arn",
        KmsEncryptionContextLogsArn = "kms:EncryptionContext:aws:logs:arn",
        KmsEncryptionContextParameterArn = "kms:EncryptionContext:PARAMETER_ARN",
        KmsGrantIsForAwsResource = "kms:GrantIsForAWSResource",
        KmsPendingWindowInDays = "kms:ScheduleKeyDeletionPendingWindowInDays",
        KmsViaService = "kms:ViaService",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_action_is_a_pattern() {
        for action in Action::ALL {
            assert!(!action.as_str().contains(['*', '?']), "{}", action.as_str());
        }
    }
}
