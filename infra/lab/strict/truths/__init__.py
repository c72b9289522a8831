"""One module a truth: see the package's docstring for the rules, README.md for the list."""

import importlib
import pkgutil

import strict
from strict.plane import ControlPlane

# The order is that of wrapping: of two truths about one call, the later one sees the request first.
ORDER = (
    "registered_images",
    "snapshots_in_use",
    "instance_interfaces",
    "instance_profiles",
    "instance_volumes",
    "volume_changes",
    "launch_validation",
    "launch_outcomes",
    "quotas",
    "launch_templates",
    "termination",
    "addresses",
    "nat_gateways",
    "vpc_endpoints",
    "flow_logs",
    "client_tokens",
    "auto_scaling_instances",
    "auto_scaling_groups",
    "security_groups",
    "networks_in_use",
    "references",
    "managed_policies",
    "iam_in_use",
    "key_states",
    "key_aliases",
    "budgets",
    "log_groups",
    "backups",
    "object_lock",
    "object_checksums",
    "bucket_tags",
    "bucket_versioning",
    "tags",
    "pages",
    "dry_run",
)


def apply_all(plane: ControlPlane) -> list[str]:
    """Loads every truth, those about policies too, and returns their names."""
    present = {module.name for module in pkgutil.iter_modules(__path__)}
    if present != set(ORDER):
        raise RuntimeError(f"truths without a place in ORDER, or the other way round: {present ^ set(ORDER)}")
    names = [f"{__name__}.{name}" for name in ORDER]
    names += sorted(f"strict.{m.name}" for m in pkgutil.iter_modules(strict.__path__) if m.name.startswith("polic"))
    applied = []
    for name in names:
        apply = getattr(importlib.import_module(name), "apply", None)
        if apply is not None:  # a module beside a policy truth (its data, its parser) has none
            apply(plane)
            applied.append(name)
    return applied
