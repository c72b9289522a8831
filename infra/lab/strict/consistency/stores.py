"""The collections in which moto keeps what is made, and how requests name what is in them. A table."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.backup.models import backup_backends
from moto.budgets.models import budgets_backends
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.logs.models import logs_backends

Container = dict[Any, Any] | list[Any]
Names = Callable[[Any, Any], Iterable[str]]


@dataclass(frozen=True)
class Store:
    """A kind of collection, in the backends of every account and region."""

    backends: Any
    #: The collections of one backend.
    of: Callable[[Any], Iterable[Container]]
    #: How a request may name an entry, by its key and itself. What is part of something else has no name of its own.
    names: Names
    #: The operations that make an entry: its name is taken for them from the first moment on.
    made_by: frozenset[str]
    #: Whether it holds tags, which only a request about tags changes on their own.
    tags: bool = False

    def containers(self) -> Iterator[Container]:
        for _, _, backend in self.backends.iter_backends():
            yield from self.of(backend)


def stores(operation: str) -> list[Store]:
    """Those that a request may change."""
    about_tags = "Tag" in operation
    return [store for store in ALL if not store.tags or about_tags]


def _by_key(key: Any, _value: Any) -> Iterable[str]:
    return (str(key),)


def _by(*attributes: str) -> Names:
    return lambda _key, value: tuple(str(getattr(value, attribute)) for attribute in attributes)


def _part(_key: Any, _value: Any) -> Iterable[str]:
    return ()


def _direct(name: str) -> Callable[[Any], Iterable[Container]]:
    return lambda backend: (getattr(backend, name),)


def _nested(name: str) -> Callable[[Any], Iterable[Container]]:
    return lambda backend: list(getattr(backend, name).values())


def _parts(name: str, *attributes: str) -> Callable[[Any], Iterable[Container]]:
    """Collections inside each entry of a collection."""
    return lambda backend: [
        getattr(entry, attribute) for entry in list(getattr(backend, name).values()) for attribute in attributes
    ]


def _rules(backend: Any) -> Iterable[Container]:
    groups = [group for groups in list(backend.groups.values()) for group in list(groups.values())]
    return [rules for group in groups for rules in (group.ingress_rules, group.egress_rules)]


def _store(backends: Any, of: Any, names: Names, *made_by: str, tags: bool = False) -> Store:
    return Store(backends, of, names, frozenset(made_by), tags)


ALL = [
    _store(ec2_backends, _direct("vpcs"), _by_key, "CreateVpc"),
    _store(ec2_backends, _nested("subnets"), _by_key, "CreateSubnet"),
    _store(ec2_backends, _direct("route_tables"), _by_key, "CreateRouteTable"),
    _store(ec2_backends, _parts("route_tables", "_routes", "_associations"), _part),
    _store(ec2_backends, _direct("internet_gateways"), _by_key, "CreateInternetGateway"),
    _store(ec2_backends, _direct("nat_gateways"), _by_key, "CreateNatGateway"),
    _store(ec2_backends, _direct("addresses"), _by("allocation_id", "public_ip"), "AllocateAddress"),
    _store(ec2_backends, _direct("vpc_end_points"), _by_key, "CreateVpcEndpoint"),
    _store(ec2_backends, _direct("flow_logs"), _by_key, "CreateFlowLogs"),
    _store(ec2_backends, _nested("groups"), _by_key, "CreateSecurityGroup"),
    _store(ec2_backends, _rules, _by("id"), "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"),
    _store(ec2_backends, _direct("network_acls"), _by_key, "CreateNetworkAcl"),
    _store(ec2_backends, _direct("enis"), _by_key, "CreateNetworkInterface"),
    _store(
        ec2_backends,
        _direct("reservations"),
        lambda _key, reservation: [instance.id for instance in reservation.instances],
        "RunInstances",
    ),
    _store(ec2_backends, _direct("volumes"), _by_key, "CreateVolume"),
    _store(ec2_backends, _direct("snapshots"), _by_key, "CreateSnapshot"),
    _store(ec2_backends, _direct("amis"), _by_key, "RegisterImage", "CopyImage", "CreateImage"),
    _store(ec2_backends, _direct("launch_templates"), _by("id", "name"), "CreateLaunchTemplate"),
    _store(ec2_backends, _parts("launch_templates", "versions"), _part),
    _store(ec2_backends, _nested("tags"), _part, tags=True),
    _store(iam_backends, _direct("roles"), _by("name", "arn"), "CreateRole"),
    _store(iam_backends, _parts("roles", "policies", "managed_policies"), _part),
    _store(iam_backends, _parts("roles", "tags"), _part, tags=True),
    _store(iam_backends, _direct("instance_profiles"), _by("name", "arn"), "CreateInstanceProfile"),
    _store(iam_backends, _parts("instance_profiles", "roles"), _part),
    _store(iam_backends, _direct("managed_policies"), _by_key, "CreatePolicy"),
    _store(kms_backends, _direct("keys"), lambda key, value: (key, value.arn), "CreateKey"),
    _store(kms_backends, _parts("keys", "aliases"), _by_key, "CreateAlias"),
    _store(kms_backends, lambda backend: list(backend.tagger.tags.values()), _part, tags=True),
    _store(budgets_backends, lambda backend: list(backend.budgets.values()), _by_key, "CreateBudget"),
    _store(logs_backends, _direct("groups"), lambda key, group: (key, group.arn), "CreateLogGroup"),
    _store(logs_backends, lambda backend: list(backend.tagger.tags.values()), _part, tags=True),
    _store(backup_backends, _direct("vaults"), lambda key, vault: (key, vault.backup_vault_arn), "CreateBackupVault"),
    _store(backup_backends, _direct("plans"), lambda key, plan: (key, plan.backup_plan_arn), "CreateBackupPlan"),
    _store(backup_backends, _parts("plans", "selections"), _by_key, "CreateBackupSelection"),
    _store(backup_backends, lambda backend: list(backend.tagger.tags.values()), _part, tags=True),
    _store(autoscaling_backends, _direct("autoscaling_groups"), _by_key, "CreateAutoScalingGroup"),
]
