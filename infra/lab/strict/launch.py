"""Starting instances as another service does on a caller's behalf: through RunInstances, with every truth about it."""

from typing import Any

from moto.ec2.responses import EC2Response
from moto.utilities.utils import get_partition


def run_instances(account: str, region: str, request: dict[str, Any]) -> list[Any]:
    """moto's instances. Raises what EC2 would refuse the request with."""
    response = EC2Response()
    response.current_account, response.region, response.partition = account, region, get_partition(region)
    response.params, response.uri_match = request, {}
    response.normalized_request = None  # nobody has signed it
    instances: list[Any] = response.run_instances().result.instances
    return instances
