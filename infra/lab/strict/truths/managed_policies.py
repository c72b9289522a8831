"""AWS's managed policies are in every account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html#aws-managed-policies

moto would load all thousand of them at each start, which costs seconds, or none: here each is loaded when it is named.
"""

from typing import Any

from moto.iam.models import IAMBackend

from strict import seed
from strict.override import override

OF_AWS = ":iam::aws:policy/"


def apply(_plane: Any) -> None:
    for action in ("attach_role_policy", "get_policy", "get_policy_version", "list_policy_versions"):

        @override(IAMBackend, action)
        def with_managed(original: Any, self: Any, policy_arn: str, *args: Any, **kwargs: Any) -> Any:
            if OF_AWS in policy_arn and policy_arn not in self.managed_policies:
                seed.load_managed(self, policy_arn.rpartition("/")[2])
            return original(self, policy_arn, *args, **kwargs)
