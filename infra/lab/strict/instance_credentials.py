"""The credentials that EC2 would hand to an instance: its role's session, named after the instance.

EC2 sets that name and the instance can't choose it, so ``aws:userid`` is ``AROA…:i-…``.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html
"""

from dataclasses import asdict
from typing import Any

from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from werkzeug.wrappers import Request

from . import seed
from .plane import ControlPlane, LabError


def apply(plane: ControlPlane) -> None:
    @plane.route("instance-credentials")
    def instance_credentials(request: Request) -> dict[str, str]:
        instance = _running_instance(request.args["instance"])
        return asdict(seed.role_session(_role_arn(instance), instance.id))


def _running_instance(instance_id: str) -> Any:
    for _, _, backend in ec2_backends.iter_backends():
        for reservation in backend.reservations.values():
            for instance in reservation.instances:
                if instance.id == instance_id:
                    if instance.state != "running":
                        raise LabError(f"{instance_id} is {instance.state}: only a running instance has credentials")
                    return instance
    raise LabError(f"there is no instance {instance_id}: `aws ec2 describe-instances` lists those that are")


def _role_arn(instance: Any) -> str:
    association = instance.iam_instance_profile
    if not association:
        raise LabError(f"{instance.id} has no instance profile, so EC2 would give it no credentials")
    account = instance.ec2_backend.account_id
    for profile in iam_backends[account][seed.PARTITION].instance_profiles.values():
        if profile.arn == association["Arn"]:
            if not profile.roles:
                raise LabError(f"the instance profile {profile.name} of {instance.id} has no role")
            return profile.roles[0].arn
    raise LabError(f"the instance profile {association['Arn']} of {instance.id} is gone")
