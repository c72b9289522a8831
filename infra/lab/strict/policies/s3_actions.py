"""S3's operations and the actions that they need.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
An operation that isn't here is refused. Where a request names a version, the action is another one (``VERSIONED``);
some headers ask for more than the operation (``BY_HEADER``).
"""

ACCOUNT, BUCKET, OBJECT = "account", "bucket", "object"

OPERATIONS: dict[str, tuple[str, str]] = {
    "ListBuckets": (ACCOUNT, "s3:ListAllMyBuckets"),
    # Buckets.
    "CreateBucket": (BUCKET, "s3:CreateBucket"),
    "DeleteBucket": (BUCKET, "s3:DeleteBucket"),
    "HeadBucket": (BUCKET, "s3:ListBucket"),
    "ListObjects": (BUCKET, "s3:ListBucket"),
    "ListObjectsV2": (BUCKET, "s3:ListBucket"),
    "ListObjectVersions": (BUCKET, "s3:ListBucketVersions"),
    "ListMultipartUploads": (BUCKET, "s3:ListBucketMultipartUploads"),
    "GetBucketLocation": (BUCKET, "s3:GetBucketLocation"),
    # A bucket's settings.
    "DeleteBucketCors": (BUCKET, "s3:PutBucketCORS"),
    "DeleteBucketEncryption": (BUCKET, "s3:PutEncryptionConfiguration"),
    "DeleteBucketLifecycle": (BUCKET, "s3:PutLifecycleConfiguration"),
    "DeleteBucketOwnershipControls": (BUCKET, "s3:PutBucketOwnershipControls"),
    "DeleteBucketPolicy": (BUCKET, "s3:DeleteBucketPolicy"),
    "DeleteBucketReplication": (BUCKET, "s3:PutReplicationConfiguration"),
    "DeleteBucketTagging": (BUCKET, "s3:PutBucketTagging"),
    "DeleteBucketWebsite": (BUCKET, "s3:DeleteBucketWebsite"),
    "DeletePublicAccessBlock": (BUCKET, "s3:PutBucketPublicAccessBlock"),
    "GetBucketAcl": (BUCKET, "s3:GetBucketAcl"),
    "GetBucketCors": (BUCKET, "s3:GetBucketCORS"),
    "GetBucketEncryption": (BUCKET, "s3:GetEncryptionConfiguration"),
    "GetBucketLifecycleConfiguration": (BUCKET, "s3:GetLifecycleConfiguration"),
    "GetBucketLogging": (BUCKET, "s3:GetBucketLogging"),
    "GetBucketNotificationConfiguration": (BUCKET, "s3:GetBucketNotification"),
    "GetBucketOwnershipControls": (BUCKET, "s3:GetBucketOwnershipControls"),
    "GetBucketPolicy": (BUCKET, "s3:GetBucketPolicy"),
    "GetBucketPolicyStatus": (BUCKET, "s3:GetBucketPolicyStatus"),
    "GetBucketReplication": (BUCKET, "s3:GetReplicationConfiguration"),
    "GetBucketTagging": (BUCKET, "s3:GetBucketTagging"),
    "GetBucketVersioning": (BUCKET, "s3:GetBucketVersioning"),
    "GetBucketWebsite": (BUCKET, "s3:GetBucketWebsite"),
    "GetObjectLockConfiguration": (BUCKET, "s3:GetBucketObjectLockConfiguration"),
    "GetPublicAccessBlock": (BUCKET, "s3:GetBucketPublicAccessBlock"),
    "PutBucketAcl": (BUCKET, "s3:PutBucketAcl"),
    "PutBucketCors": (BUCKET, "s3:PutBucketCORS"),
    "PutBucketEncryption": (BUCKET, "s3:PutEncryptionConfiguration"),
    "PutBucketLifecycleConfiguration": (BUCKET, "s3:PutLifecycleConfiguration"),
    "PutBucketLogging": (BUCKET, "s3:PutBucketLogging"),
    "PutBucketNotificationConfiguration": (BUCKET, "s3:PutBucketNotification"),
    "PutBucketOwnershipControls": (BUCKET, "s3:PutBucketOwnershipControls"),
    "PutBucketPolicy": (BUCKET, "s3:PutBucketPolicy"),
    "PutBucketReplication": (BUCKET, "s3:PutReplicationConfiguration"),
    "PutBucketTagging": (BUCKET, "s3:PutBucketTagging"),
    "PutBucketVersioning": (BUCKET, "s3:PutBucketVersioning"),
    "PutBucketWebsite": (BUCKET, "s3:PutBucketWebsite"),
    "PutObjectLockConfiguration": (BUCKET, "s3:PutBucketObjectLockConfiguration"),
    "PutPublicAccessBlock": (BUCKET, "s3:PutBucketPublicAccessBlock"),
    # Objects. DeleteObjects is judged for each object that its body names.
    "AbortMultipartUpload": (OBJECT, "s3:AbortMultipartUpload"),
    "CompleteMultipartUpload": (OBJECT, "s3:PutObject"),
    "CopyObject": (OBJECT, "s3:PutObject"),
    "CreateMultipartUpload": (OBJECT, "s3:PutObject"),
    "DeleteObject": (OBJECT, "s3:DeleteObject"),
    "DeleteObjectTagging": (OBJECT, "s3:DeleteObjectTagging"),
    "GetObject": (OBJECT, "s3:GetObject"),
    "GetObjectAcl": (OBJECT, "s3:GetObjectAcl"),
    "GetObjectAttributes": (OBJECT, "s3:GetObject"),
    "GetObjectLegalHold": (OBJECT, "s3:GetObjectLegalHold"),
    "GetObjectRetention": (OBJECT, "s3:GetObjectRetention"),
    "GetObjectTagging": (OBJECT, "s3:GetObjectTagging"),
    "HeadObject": (OBJECT, "s3:GetObject"),
    "ListParts": (OBJECT, "s3:ListMultipartUploadParts"),
    "PutObject": (OBJECT, "s3:PutObject"),
    "PutObjectAcl": (OBJECT, "s3:PutObjectAcl"),
    "PutObjectLegalHold": (OBJECT, "s3:PutObjectLegalHold"),
    "PutObjectRetention": (OBJECT, "s3:PutObjectRetention"),
    "PutObjectTagging": (OBJECT, "s3:PutObjectTagging"),
    "RestoreObject": (OBJECT, "s3:RestoreObject"),
    "SelectObjectContent": (OBJECT, "s3:GetObject"),
    "UploadPart": (OBJECT, "s3:PutObject"),
    "UploadPartCopy": (OBJECT, "s3:PutObject"),
}

# With a version named.
VERSIONED = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}

# What a header asks for besides.
BY_HEADER = {
    "x-amz-acl": "s3:PutObjectAcl",
    "x-amz-grant-full-control": "s3:PutObjectAcl",
    "x-amz-grant-read": "s3:PutObjectAcl",
    "x-amz-grant-read-acp": "s3:PutObjectAcl",
    "x-amz-grant-write-acp": "s3:PutObjectAcl",
    "x-amz-tagging": "s3:PutObjectTagging",
    "x-amz-object-lock-mode": "s3:PutObjectRetention",
    "x-amz-object-lock-retain-until-date": "s3:PutObjectRetention",
    "x-amz-object-lock-legal-hold": "s3:PutObjectLegalHold",
    "x-amz-bypass-governance-retention": "s3:BypassGovernanceRetention",
}

# Operations with the action `s3:PutObject`, and whether an object is there when they are done: the condition key
# s3:ObjectCreationOperation. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
CREATES_AN_OBJECT = {
    "CompleteMultipartUpload": True,
    "CopyObject": True,
    "CreateMultipartUpload": False,
    "PutObject": True,
    "UploadPart": False,
    "UploadPartCopy": False,
}

# Headers and parameters of the query that are condition keys under their own name.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys
HEADER_KEYS = {
    name: f"s3:{name}"
    for name in (
        "if-match",
        "if-none-match",
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-grant-read-acp",
        "x-amz-grant-write",
        "x-amz-grant-write-acp",
        "x-amz-metadata-directive",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
    )
} | {
    "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
    "x-amz-object-lock-mode": "s3:object-lock-mode",
    "x-amz-object-lock-retain-until-date": "s3:object-lock-retain-until-date",
}
QUERY_KEYS = {
    "delimiter": "s3:delimiter",
    "max-keys": "s3:max-keys",
    "prefix": "s3:prefix",
    "versionId": "s3:versionid",
}
