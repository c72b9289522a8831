"""Serves the control plane until it is told to end.

Protocol with the one who starts it: one line of JSON on stdout says where it listens and what is in it. Then stdin
decides: when it ends, so does this process (a starter that dies leaves nothing behind), unless the line ``keep`` came
first (then it goes on until SIGTERM). Logs go to stderr.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from . import ageing, consistency, copies, instance_credentials, seed, shortcuts
from .plane import ControlPlane
from .serve import LOOPBACK, Listeners
from .truths import apply_all


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    os.setsid()  # a Ctrl-C for the command that started this is not for this

    plane = ControlPlane(arguments.node, arguments.evaluator)
    shortcuts.apply()
    applied = apply_all(plane)
    instance_credentials.apply(plane)
    ageing.apply(plane)
    consistency.apply(plane, arguments.eventual)
    logging.getLogger("strict").info("%d truths: %s", len(applied), " ".join(applied))
    seed.organization()
    image = seed.image()
    listeners = Listeners(plane, arguments.certificate, arguments.key)
    copies.apply(plane, listeners, lambda listeners: _announcement(plane, listeners, image))
    listeners.start()

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    threading.Thread(target=_watch_stdin, args=(ended,), daemon=True).start()
    print(json.dumps(_announcement(plane, listeners, image)), flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a later print must not meet a closed pipe
    ended.wait()
    listeners.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="strict", description=__doc__)
    parser.add_argument("--certificate", type=Path, required=True, help="the server's certificate, PEM")
    parser.add_argument("--key", type=Path, required=True, help="its private key, PEM")
    parser.add_argument("--node", type=Path, required=True, help="the program that runs the policy evaluator")
    parser.add_argument("--evaluator", type=Path, required=True, help="the policy evaluator's directory")
    parser.add_argument(
        "--eventual",
        type=int,
        default=os.environ.get("HOLDFAST_LAB_EVENTUAL", "0"),
        metavar="N",
        help="hide each change from N requests after it [env: HOLDFAST_LAB_EVENTUAL]",
    )
    return parser.parse_args()


def _announcement(plane: ControlPlane, listeners: Listeners, image: str) -> dict[str, object]:
    def account(account_id: str) -> dict[str, object]:
        return {"id": account_id, "credentials": vars(seed.operator(account_id))}

    return {
        "pid": os.getpid(),
        "endpoint": f"https://{LOOPBACK}:{listeners.https_port}",
        "plain_endpoint": f"http://{LOOPBACK}:{listeners.http_port}",
        "secret": plane.secret,
        "region": seed.REGION,
        "organization": seed.ORGANIZATION,
        "workloads": account(seed.WORKLOADS),
        "audit": account(seed.AUDIT),
        "stock_image": image,
    }


def _watch_stdin(ended: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "keep":
            return
    ended.set()


if __name__ == "__main__":
    main()
