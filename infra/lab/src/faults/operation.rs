//! Which operation of which service a request is, in every protocol that AWS's SDKs speak here.
//!
//! The service is the one that the request is signed for. The operation is named by JSON's `X-Amz-Target`, by query's
//! `Action`, and in REST by method, path and query: those of S3 and AWS Backup are tables.

use super::message::Message;

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// The name that the service signs with.
    pub(super) service: String,
    /// `RunInstances`; method and path where nothing tells more.
    pub(super) name: String,
}

impl Operation {
    pub(super) fn of(request: &Message) -> Operation {
        let service = signed_for(request).unwrap_or_default();
        let name = target(request)
            .or_else(|| action(request))
            .or_else(|| rest(&service, request))
            .unwrap_or_else(|| format!("{} {}", request.method(), request.target().0));
        Operation { service, name }
    }
}

/// `… Credential=AKID/20261125/eu-central-1/ec2/aws4_request, …`
fn signed_for(request: &Message) -> Option<String> {
    let (_, scope) = request.header("authorization")?.split_once("Credential=")?;
    scope.split(',').next()?.split('/').nth_back(1).map(str::to_owned)
}

fn target(request: &Message) -> Option<String> {
    request.header("x-amz-target")?.rsplit('.').next().map(str::to_owned)
}

fn action(request: &Message) -> Option<String> {
    let mut parameters = request.text().split('&').chain(request.target().1.split('&'));
    parameters.find_map(|parameter| parameter.strip_prefix("Action=")).map(str::to_owned)
}

fn rest(service: &str, request: &Message) -> Option<String> {
    match service {
        "s3" => s3(request),
        "backup" => backup(request),
        _ => None,
    }
}

/// The parts of a bucket or an object that have operations of their own: query's name, what follows the verb.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html>
const S3_PARTS: &[(&str, &str)] = &[
    ("acl", "Acl"),
    ("encryption", "BucketEncryption"),
    ("legal-hold", "ObjectLegalHold"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("location", "BucketLocation"),
    ("logging", "BucketLogging"),
    ("object-lock", "ObjectLockConfiguration"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("policy", "BucketPolicy"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("retention", "ObjectRetention"),
    ("tagging", "BucketTagging"),
    ("versioning", "BucketVersioning"),
];

fn s3(request: &Message) -> Option<String> {
    let (path, query) = request.target();
    let mut names = query.split('&').map(|parameter| parameter.split('=').next().unwrap_or_default());
    let is_of_object = path.trim_matches('/').contains('/');
    let verb = match request.method() {
        "GET" => "Get",
        "PUT" => "Put",
        "DELETE" => "Delete",
        "HEAD" => "Head",
        _ => return None,
    };
    if let Some((_, part)) = names.clone().find_map(|name| S3_PARTS.iter().find(|(known, _)| *known == name)) {
        let part = if is_of_object { part.replace("BucketTagging", "ObjectTagging") } else { (*part).to_owned() };
        return Some(format!("{verb}{part}"));
    }
    Some(match (verb, is_of_object) {
        ("Get", false) if path == "/" => "ListBuckets".to_owned(),
        ("Get", false) if names.any(|name| name == "versions") => "ListObjectVersions".to_owned(),
        ("Get", false) => "ListObjectsV2".to_owned(),
        ("Put", false) => "CreateBucket".to_owned(),
        (verb, false) => format!("{verb}Bucket"),
        (verb, true) => format!("{verb}Object"),
    })
}

/// Method, path (`*` is any one part of it), operation.
/// <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Operations.html>
const BACKUP: &[(&str, &str, &str)] = &[
    ("PUT", "backup-vaults/*", "CreateBackupVault"),
    ("GET", "backup-vaults/*", "DescribeBackupVault"),
    ("DELETE", "backup-vaults/*", "DeleteBackupVault"),
    ("GET", "backup-vaults", "ListBackupVaults"),
    ("GET", "backup-vaults/*/recovery-points", "ListRecoveryPointsByBackupVault"),
    ("DELETE", "backup-vaults/*/recovery-points/*", "DeleteRecoveryPoint"),
    ("PUT", "backup/plans", "CreateBackupPlan"),
    ("GET", "backup/plans", "ListBackupPlans"),
    ("GET", "backup/plans/*", "GetBackupPlan"),
    ("POST", "backup/plans/*", "UpdateBackupPlan"),
    ("DELETE", "backup/plans/*", "DeleteBackupPlan"),
    ("PUT", "backup/plans/*/selections", "CreateBackupSelection"),
    ("GET", "backup/plans/*/selections", "ListBackupSelections"),
    ("GET", "backup/plans/*/selections/*", "GetBackupSelection"),
    ("DELETE", "backup/plans/*/selections/*", "DeleteBackupSelection"),
    ("GET", "tags/*", "ListTags"),
    ("POST", "tags/*", "TagResource"),
    ("POST", "untag/*", "UntagResource"),
];

fn backup(request: &Message) -> Option<String> {
    let path: Vec<_> = request.target().0.trim_matches('/').split('/').collect();
    let fits = |pattern: &str| {
        let parts: Vec<_> = pattern.split('/').collect();
        parts.len() == path.len() && parts.iter().zip(&path).all(|(part, found)| *part == "*" || part == found)
    };
    let mut found = BACKUP.iter().filter(|(method, pattern, _)| *method == request.method() && fits(pattern));
    found.next().map(|(_, _, operation)| (*operation).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(service: &str, line: &str, header: &str, body: &str) -> String {
        let request = format!(
            "{line} HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-central-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\n{header}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let request = Message::request(&mut request.as_bytes(), &mut Vec::new()).unwrap().unwrap();
        let found = Operation::of(&request);
        assert_eq!(found.service, service);
        found.name
    }

    #[test]
    fn every_protocol_names_its_operation() {
        assert_eq!(of("ec2", "POST /", "", "Action=RunInstances&Version=2016-11-15"), "RunInstances");
        assert_eq!(of("iam", "POST /", "", "Version=2010-05-08&Action=CreateRole"), "CreateRole");
        assert_eq!(of("kms", "POST /", "X-Amz-Target: TrentService.CreateKey\r\n", "{}"), "CreateKey");
        assert_eq!(of("logs", "POST /", "x-amz-target: Logs_20140328.CreateLogGroup\r\n", "{}"), "CreateLogGroup");
    }

    #[test]
    fn operations_of_s3_are_told_by_method_path_and_query() {
        let s3 = |line| of("s3", line, "", "");
        for (line, operation) in [
            ("GET /", "ListBuckets"),
            ("PUT /bucket", "CreateBucket"),
            ("PUT /bucket/", "CreateBucket"),
            ("PUT /bucket?publicAccessBlock", "PutPublicAccessBlock"),
            ("GET /bucket?tagging", "GetBucketTagging"),
            ("GET /bucket?list-type=2&prefix=a%2F", "ListObjectsV2"),
            ("GET /bucket?versions&prefix=a", "ListObjectVersions"),
            ("HEAD /bucket", "HeadBucket"),
            ("PUT /bucket/locks/judge?x-id=PutObject", "PutObject"),
            ("GET /bucket/locks/judge?x-id=GetObject", "GetObject"),
            ("DELETE /bucket/locks/judge", "DeleteObject"),
            ("PUT /bucket/a?tagging", "PutObjectTagging"),
        ] {
            assert_eq!(s3(line), operation, "{line}");
        }
    }

    #[test]
    fn operations_of_backup_are_told_by_method_and_path() {
        let backup = |line| of("backup", line, "", "{}");
        assert_eq!(backup("PUT /backup/plans/"), "CreateBackupPlan");
        assert_eq!(backup("PUT /backup/plans/p-1/selections/"), "CreateBackupSelection");
        assert_eq!(backup("GET /tags/arn%3Aaws%3Abackup%3A1/"), "ListTags");
        assert_eq!(backup("POST /nothing/known"), "POST /nothing/known");
    }
}
