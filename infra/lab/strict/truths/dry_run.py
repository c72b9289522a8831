"""DryRun changes nothing: a request that would succeed is answered by DryRunOperation.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html

moto looks at it in some calls, after checking the parameters; others (CreateVpc among them) create.
"""

import inspect
from typing import Any

from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.ec2.responses import EC2Response

from strict.override import override


def apply(_plane: Any) -> None:
    for operation in get_service_model("ec2").operation_names:
        action = camelcase_to_underscores(operation)
        method = getattr(EC2Response, action, None)
        if method is not None and not _looks_itself(method):
            _refuse(action)


def _looks_itself(method: Any) -> bool:
    return "error_on_dryrun" in inspect.unwrap(method).__code__.co_names


def _refuse(action: str) -> None:
    @override(EC2Response, action)
    def call(original: Any, self: Any) -> Any:
        self.error_on_dryrun()
        return original(self)
