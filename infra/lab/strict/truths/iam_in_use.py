"""IAM deletes nothing that something else holds, and lists an instance profile's tags.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfileTags.html

moto refuses it for roles and profiles, not for a policy that is attached or has other versions; it deletes a user
with keys; ListInstanceProfileTags is missing.
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import DeleteConflictException
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from strict.override import override, provide


def apply(_plane: Any) -> None:
    @override(IAMBackend, "delete_policy")
    def delete_policy(original: Any, self: Any, policy_arn: str) -> Any:
        policy = self.get_policy(policy_arn)
        if policy.attachment_count:
            raise DeleteConflictException("Cannot delete a policy attached to entities.")
        if len(policy.versions) > 1:
            raise DeleteConflictException(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
        return original(self, policy_arn)

    @override(IAMBackend, "delete_user")
    def delete_user(original: Any, self: Any, user_name: str) -> Any:
        if self.get_user(user_name).access_keys:
            raise DeleteConflictException("Cannot delete entity, must delete access keys first.")
        return original(self, user_name)

    @provide(IamResponse, "list_instance_profile_tags")
    def list_instance_profile_tags(self: Any) -> ActionResult:
        profile = self.backend.get_instance_profile(self._get_param("InstanceProfileName"))
        return ActionResult({"Tags": profile.tags, "IsTruncated": False})
