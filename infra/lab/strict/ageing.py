"""Objects that are older than they are, for whoever would otherwise wait until a lock expires."""

from datetime import timedelta

from moto.s3.models import s3_backends
from werkzeug.wrappers import Request

from .plane import ControlPlane


def apply(plane: ControlPlane) -> None:
    @plane.route("age-objects")
    def age_objects(request: Request) -> int:
        by = timedelta(seconds=int(request.args["seconds"]))
        objects = [
            found
            for _, _, backend in s3_backends.iter_backends()
            for bucket in backend.buckets.values()
            for found in bucket.keys.values()
        ]
        for found in objects:
            found.last_modified -= by
        return len(objects)
