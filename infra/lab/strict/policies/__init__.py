"""Policies are evaluated, as AWS does, before each request reaches moto.

moto lets nearly everything through: it takes a bucket policy without its conditions, asks no identity policy, knows no
key policy, and lets anybody assume any role, also one that isn't there. So before moto sees a request, these modules

* find out whose it is (``caller``): an access key that nobody has is refused;
* find out what it wants (``s3``, ``kms``, ``sts``, ``others``; ``s3_actions`` is the table of S3's operations), on which
  resource, in what context;
* ask an evaluator that nobody here wrote (``evaluator``), with every policy of both sides;
* refuse in the service's own words (``refusal``).

Whatever can't be judged is refused, never allowed: an evaluator that doesn't answer, an operation that isn't in a table.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from moto.core.request import Request
from werkzeug.wrappers import Request as WsgiRequest
from werkzeug.wrappers import Response

from ..plane import ControlPlane
from . import documents, kms, others, s3, sts
from .caller import Unknown, caller_of
from .evaluator import Evaluator, Unanswered
from .refusal import Refusal
from .request import service_of

JUDGES = {"s3": s3.judge, "kms": kms.judge, "sts": sts.judge}


def apply(plane: ControlPlane) -> None:
    evaluator = Evaluator(plane.node, plane.evaluator)
    documents.apply(evaluator)
    s3.apply()

    @plane.guard
    def evaluate(wsgi_request: WsgiRequest) -> Response | None:
        # moto's own request: it knows the path as it was sent, which a signature and a key's name depend on.
        request = Request(wsgi_request.environ.copy())
        body = wsgi_request.get_data(cache=True)
        service = service_of(request)
        try:
            judge = JUDGES.get(service, others.judge)
            judge(evaluator, service, request, body, caller_of(request))
        except Unknown as unknown:
            return Refusal.of_credentials(service, unknown).response(service, request)
        except Refusal as refusal:
            return refusal.response(service, request)
        except Unanswered as unanswered:
            return Refusal(500, "InternalError", f"the policy evaluator: {unanswered}").response(service, request)
        return None
