"""A request is its signer's only if the signature is: moto takes any.

Signature Version 4, in a header or in a presigned URL's query.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote, unquote

from moto.core.request import Request

from .refusal import Refusal
from .request import scope_of

_ALGORITHM = "AWS4-HMAC-SHA256"
_SIGNED_HEADERS = re.compile(r"SignedHeaders=([^, ]+)")
_SIGNATURE = re.compile(r"Signature=([0-9a-f]+)")
_HASH = re.compile(r"[0-9a-f]{64}")


def verify(request: Request, body: bytes, secret: str) -> None:
    """Raises a refusal unless the request was signed with that secret, as it is."""
    scope = scope_of(request)
    assert scope is not None, "nobody's request has no secret to be verified with"
    if "Authorization" in request.headers:
        given = request.headers["Authorization"]
        signed_headers, signature = _SIGNED_HEADERS.search(given), _SIGNATURE.search(given)
        names = signed_headers[1] if signed_headers else ""
        claimed = signature[1] if signature else ""
        date = request.headers.get("X-Amz-Date", "")
    else:
        names = request.args.get("X-Amz-SignedHeaders", "")
        claimed = request.args.get("X-Amz-Signature", "")
        date = request.args.get("X-Amz-Date", "")
    canonical = _canonical(request, body, names, scope["service"])
    terms = f"{scope['date']}/{scope['region']}/{scope['service']}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, date, terms, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (*terms.split("/"), to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(key.hex(), claimed):
        raise Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the given one.")


def _canonical(request: Request, body: bytes, names: str, service: str) -> str:
    path = quote(unquote(request.raw_path), safe="/~")
    if service != "s3":
        path = quote(path, safe="/~")  # all others encode twice
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names.split(";"))
    return "\n".join([request.method, path, _query(request), headers, names, _payload_hash(request, body)])


def _query(request: Request) -> str:
    pairs = parse_qsl(request.query_string.decode().replace("+", "%2B"), keep_blank_values=True)
    encoded = [(quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs if name != "X-Amz-Signature"]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _payload_hash(request: Request, body: bytes) -> str:
    if "Authorization" not in request.headers:
        return "UNSIGNED-PAYLOAD"
    actual = hashlib.sha256(body).hexdigest()
    declared = request.headers.get("X-Amz-Content-Sha256", actual)
    if _HASH.fullmatch(declared) and declared != actual:
        raise Refusal(400, "XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 isn't the body's.")
    return declared
