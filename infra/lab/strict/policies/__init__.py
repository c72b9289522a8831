"""Policies are evaluated, as AWS does, before each request reaches moto.

moto lets nearly everything through: it takes a bucket policy without its conditions, asks no identity policy, knows no
key policy, and lets anybody assume any role, also one that isn't there. So before moto sees a request, these modules

* find out whose it is (``caller``, ``signature``): an access key that nobody has is refused, and another's signature;
* find out what it wants, on which resource, in what context (``s3`` with its table ``s3_actions``, ``kms``, ``sts``,
  ``others``);
* ask an evaluator that nobody here wrote (``evaluator``), with every policy of both sides;
* refuse in the service's own words (``refusal``), a policy that AWS wouldn't take among the rest (``documents``).

Whatever can't be judged is refused: an operation that isn't in a table, an evaluator that doesn't answer.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import logging
from typing import Any

from moto.core.request import Request
from werkzeug.wrappers import Request as WsgiRequest
from werkzeug.wrappers import Response

from ..plane import ControlPlane, Guard
from . import documents, kms, others, s3, signature, sts
from .caller import Unknown, caller_of
from .evaluator import Evaluator, Unanswered, evaluator_of
from .refusal import Refusal
from .request import service_of

log = logging.getLogger(__name__)

JUDGES = {"s3": s3.judge, "kms": kms.judge, "sts": sts.judge}


def apply(plane: ControlPlane) -> None:
    evaluator = evaluator_of(plane)
    documents.apply(evaluator)
    s3.apply()
    plane.guard(guard(evaluator))

    @plane.route("rights-asked")
    def rights_asked(_request: WsgiRequest) -> list[dict[str, Any]]:
        """What was judged since the last call, as the evaluator was asked."""
        return evaluator.asked()


def guard(evaluator: Evaluator) -> Guard:
    """What stands before moto: it answers a request that is refused, and lets others pass."""

    def evaluate(wsgi_request: WsgiRequest) -> Response | None:
        body = wsgi_request.get_data(cache=True)
        # moto's own request: it knows the path as it was sent, which the name of an object depends on.
        request = Request(wsgi_request.environ.copy())
        service = service_of(request)
        try:
            caller = caller_of(request)
            if caller is not None:
                signature.verify(request, body, caller.secret)
            JUDGES.get(service, others.judge)(evaluator, service, request, body, caller)
        except Unknown as unknown:
            return Refusal.of_credentials(service, unknown).response(service, request)
        except Refusal as refusal:
            return refusal.response(service, request)
        except Unanswered as unanswered:
            log.error("%s %s wasn't judged: %s", request.method, request.path, unanswered)
            return Refusal(500, "InternalError", f"the policy evaluator: {unanswered}").response(service, request)
        return None

    return evaluate
