"""Refusals in the words and the format of the service that was asked."""

import json
from dataclasses import dataclass
from xml.sax.saxutils import escape

from moto.core.request import Request
from moto.moto_api._internal import mock_random
from werkzeug.wrappers import Response

from .caller import Unknown

# How a service says that it doesn't know an access key, and that it won't do what it was asked.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
_UNKNOWN_KEY = {"s3": (403, "InvalidAccessKeyId"), "ec2": (401, "AuthFailure")}
_UNKNOWN_TOKEN = {"s3": (400, "InvalidToken"), "ec2": (401, "AuthFailure")}
_UNKNOWN_ELSEWHERE = (403, "InvalidClientTokenId")
# Services that speak JSON without X-Amz-Target.
_REST_JSON = ("backup",)
_DENIED = {
    "s3": "AccessDenied",
    "ec2": "UnauthorizedOperation",
    "iam": "AccessDenied",
    "sts": "AccessDenied",
    "autoscaling": "AccessDenied",
}


@dataclass
class Refusal(Exception):
    """An error response."""

    status: int
    code: str
    message: str

    @classmethod
    def of_credentials(cls, service: str, unknown: Unknown) -> "Refusal":
        """For an access key that nobody has, or one with a session token that isn't its own."""
        if unknown.token:
            status, code = _UNKNOWN_TOKEN.get(service, _UNKNOWN_ELSEWHERE)
            return cls(status, code, "The security token included in the request is invalid.")
        status, code = _UNKNOWN_KEY.get(service, _UNKNOWN_ELSEWHERE)
        return cls(status, code, "The access key id that you provided does not exist in our records.")

    @classmethod
    def denied(cls, service: str, who: str, action: str, resource: str, decision: str) -> "Refusal":
        """``User: … is not authorized to perform: … on resource: … because …``"""
        because = "an explicit deny in a policy" if decision == "ExplicitlyDenied" else "no policy allows the action"
        message = f"User: {who} is not authorized to perform: {action} on resource: {resource} because {because}"
        return cls(403, _DENIED.get(service, "AccessDeniedException"), message)

    def response(self, service: str, request: Request) -> Response:
        request_id = mock_random.get_random_hex(16).upper()
        if request.headers.get("X-Amz-Target"):
            body = json.dumps({"__type": self.code, "message": self.message})
            # Services that speak JSON say 400 for whatever is the caller's fault.
            response = Response(body, 400 if self.status < 500 else self.status)
            response.content_type = "application/x-amz-json-1.1"
            response.headers["x-amzn-RequestId"] = request_id
            return response
        if service in _REST_JSON:
            response = Response(json.dumps({"message": self.message}), self.status)
            response.content_type = "application/json"
            response.headers["x-amzn-ErrorType"] = self.code
            return response
        error = f"<Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
        if service == "s3":
            body = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
        elif service == "ec2":
            body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        else:
            error = f"<Error><Type>Sender</Type>{error}</Error>"
            body = f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"
        response = Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{body}', self.status)
        response.content_type = "application/xml"
        response.headers["x-amz-request-id"] = request_id
        return response
