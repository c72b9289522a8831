"""Security groups: the default one, what a name and a description may hold, and when one can't be deleted.

https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html

moto's default group lacks the rule that lets its members in, and is deleted like any; so is a group that an interface
has or another group's rule names. Names and descriptions may hold anything, and the VPC needn't be there. Of several
permissions in one call some are added although another is refused.
"""

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule
from moto.ec2.responses.security_groups import SecurityGroups

from strict.override import override

# "a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*", of a group and of its rules alike.
TEXT = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}")


def apply(_plane: Any) -> None:
    _give_the_default_group_its_rule()
    _keep_what_is_in_use()
    _check_texts()


def _give_the_default_group_its_rule() -> None:
    @override(SecurityGroupBackend, "create_security_group")
    def create_security_group(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        group = original(self, *args, **kwargs)
        if group.is_default:
            own = {"GroupId": group.id, "UserId": self.account_id, "OwnerId": self.account_id}
            group.add_ingress_rule(SecurityGroupRule(self, "-1", group.id, None, None, {}, own, is_egress=False))
        return group


def _keep_what_is_in_use() -> None:
    # The call, not the backend's method: DeleteVpc deletes the default group by that one.
    @override(SecurityGroups, "delete_security_group")
    def delete_security_group(original: Any, self: Any) -> Any:
        backend = self.ec2_backend
        group = backend.get_security_group_by_name_or_id(self._get_param("GroupId") or self._get_param("GroupName"))
        if group is not None:
            if group.is_default:
                raise EC2ClientError(
                    "CannotDelete",
                    f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user',
                )
            if any(group in interface._group_set for interface in backend.enis.values()) or _is_named(backend, group):
                raise DependencyViolationError(f"resource {group.id} has a dependent object")
        return original(self)


def _is_named(backend: Any, group: Any) -> bool:
    """Whether a rule of another group has this one as its source or destination."""
    return any(
        rule.source_group.get("GroupId") == group.id
        for groups in backend.groups.values()
        for other in groups.values()
        if other.id != group.id
        for rule in other.ingress_rules + other.egress_rules
    )


def _check_texts() -> None:
    @override(SecurityGroups, "create_security_group")
    def create_security_group(original: Any, self: Any) -> Any:
        if self._get_param("VpcId"):
            self.ec2_backend.get_vpc(self._get_param("VpcId"))
        _check("GroupDescription", self._get_param("Description"))
        _check("GroupName", self._get_param("GroupName"))
        if (self._get_param("GroupName") or "").startswith("sg-"):
            raise EC2ClientError("InvalidParameterValue", "Group names may not be in the format sg-*")
        return original(self)

    for action in ("authorize_security_group_ingress", "authorize_security_group_egress"):

        @override(SecurityGroups, action)
        def authorize(original: Any, self: Any) -> Any:
            for permission in self._get_param("IpPermissions", []):
                for sources in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds"):
                    for source in permission.get(sources, []):
                        _check("rule description", source.get("Description"))
            return _all_or_none(original, self)


def _all_or_none(authorize: Any, response: Any) -> ActionResult:
    """moto adds what comes before a rule that it refuses, and returns the rules of the last permission alone."""
    group = response.ec2_backend.get_security_group_by_name_or_id(
        response._get_param("GroupId") or response._get_param("GroupName")
    )
    permissions = response._get_param("IpPermissions", [])
    if group is None or not permissions:
        return authorize(response)
    before = list(group.ingress_rules), list(group.egress_rules)
    rules = []
    try:
        for permission in permissions:
            response.params["IpPermissions"] = [permission]
            rules += authorize(response).result["SecurityGroupRules"]
    except Exception:
        group.ingress_rules, group.egress_rules = before
        raise
    return ActionResult({"Return": True, "SecurityGroupRules": rules})


def _check(what: str, text: str | None) -> None:
    if text is not None and not TEXT.fullmatch(text):
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ({text}) for parameter {what} is invalid. Character sets beyond ASCII are not supported, and of "
            "those a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*",
        )
