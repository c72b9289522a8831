"""What every service's requests have in common."""

import re
from urllib.parse import parse_qs

from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import NotFound

_SCOPE = re.compile(r"Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


def scope_of(request: Request) -> dict[str, str] | None:
    """Key, date, region and service of the signature: in a header, or in the query of a presigned URL.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    given = request.headers.get("Authorization") or f"Credential={request.args.get('X-Amz-Credential', '')}"
    found = _SCOPE.search(given)
    return found.groupdict() if found else None


def session_token_of(request: Request) -> str | None:
    return request.headers.get("X-Amz-Security-Token") or request.args.get("X-Amz-Security-Token")


def service_of(request: Request) -> str:
    """The service that the request is signed for. What nobody signed is for S3, or a form of STS's."""
    scope = scope_of(request)
    if scope is not None:
        return scope["service"]
    return "sts" if request.mimetype == "application/x-www-form-urlencoded" else "s3"


def region_of(request: Request) -> str:
    scope = scope_of(request)
    return scope["region"] if scope else "us-east-1"


def form_of(body: bytes) -> dict[str, str]:
    """A query-protocol request's parameters."""
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def operation_of(service: str, request: Request, body: bytes) -> str | None:
    """What is asked for, as the API reference names it; none where that can't be told."""
    if target := request.headers.get("X-Amz-Target"):
        return target.rpartition(".")[2]
    if operation := form_of(body).get("Action") or request.args.get("Action"):
        return operation
    try:
        found, _ = get_service_router(service).match(request)
    except (NotFound, NotImplementedError):
        return None
    return str(found.name)
