"""The lab's control plane: moto, made as strict as AWS where Holdfast's claims lean on strictness.

``python -m strict`` serves it; README.md lists the truths. The rules:

* One truth is one module in ``strict.truths`` (policy evaluation: ``strict.policy*``) with a function ``apply(plane)``.
  Its docstring names AWS's page and says what moto does instead; a test of the same name in ``strict/tests`` asks
  through boto3.
* A truth overrides as little as it can (``strict.override``) and calls moto for the rest, so that a new release of
  moto is a matter of running the tests.
* Nothing here knows Holdfast: what is true for one client of AWS is true for all.
"""

import os

# moto and botocore read these when they are imported, which is after this.
for variable in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[variable]  # a profile named there would break botocore's tables of regions
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # hundreds of images nobody launches: half a second a start
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
