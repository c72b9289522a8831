"""The evaluator's process: a question a line, an answer a line of the same number. ``infra/lab/evaluator`` is its other end."""

import fcntl
import functools
import itertools
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..plane import ControlPlane

Document = Mapping[str, Any]
#: Keys of conditions that make no other question of one.
_OF_THE_MOMENT = {"aws:CurrentTime", "aws:EpochTime", "aws:UserAgent"}


class Unanswered(Exception):
    """The evaluator couldn't judge, or isn't there."""


@dataclass(frozen=True)
class Question:
    """A request, and every policy that bears on it."""

    #: A session's, user's or role's ARN; none for an anonymous request.
    principal: str | None
    action: str
    resource: str
    #: The account that the resource is in.
    owner: str
    context: Mapping[str, str | list[str]]
    identity_policies: Mapping[str, Document]
    session_policy: Document | None = None
    boundary: Document | None = None
    resource_policy: Document | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def simulation(self) -> dict[str, Any]:
        def named(policies: Mapping[str, Document]) -> list[dict[str, Any]]:
            return [{"name": name, "policy": policy} for name, policy in policies.items()]

        simulation: dict[str, Any] = {
            "request": {
                "principal": self.principal or {"type": "Anonymous"},
                "action": self.action,
                "resource": {"resource": self.resource, "accountId": self.owner},
                "contextVariables": dict(self.context),
            },
            "identityPolicies": named(self.identity_policies),
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
            "additionalSettings": dict(self.settings),
        }
        if self.session_policy is not None:
            simulation["sessionPolicy"] = self.session_policy
        if self.boundary is not None:
            simulation["permissionBoundaryPolicies"] = named({"boundary": self.boundary})
        if self.resource_policy is not None:
            simulation["resourcePolicy"] = self.resource_policy
        return simulation


class Evaluator:
    """Started once, for a control plane and its copies; it ends with the last of them, which closes its standard input.

    Who asks holds a lock among threads and one among processes, until the answer is there. A process may end in between:
    its lock is free then, and the next one passes over an answer that was never fetched.
    """

    def __init__(self, node: Path, directory: Path) -> None:
        self._lock = threading.Lock()
        self._turn = tempfile.TemporaryFile()
        self._number = itertools.count()
        self._resources: dict[str, list[tuple[str, bool]] | None] = {}
        self._asked: dict[str, dict[str, Any]] | None = None
        self._process = subprocess.Popen(
            [node, "evaluator.mjs"], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def judge(self, question: Question) -> str:
        """``Allowed``, ``ImplicitlyDenied`` or ``ExplicitlyDenied``."""
        if "*" in question.resource and question.resource != "*":
            # The evaluator would take the star for a pattern, and judge something else.
            raise Unanswered(f"{question.resource} has a * in its name, which can't be told from a pattern")
        simulation = question.simulation()
        if self._asked is not None:
            of_any_time = {key: value for key, value in question.context.items() if key not in _OF_THE_MOMENT}
            same = json.dumps([question.principal, question.action, question.resource, of_any_time], sort_keys=True)
            self._asked.setdefault(same, simulation)
        return str(self._ask({"simulation": simulation})["decision"])

    def asked(self) -> list[dict[str, Any]]:
        """The different questions since this was last called; they are kept from the first time on."""
        asked, self._asked = self._asked or {}, {}
        return list(asked.values())

    def problems(self, document: Document, kind: str) -> list[str]:
        """What AWS would find wrong with a policy: kinds are ``identity``, ``resource``, ``trust``, ``endpoint``."""
        return list(self._ask({"validate": document, "as": kind})["problems"])

    def resources_of(self, action: str) -> list[tuple[str, bool]] | None:
        """The types of resources that an action is judged on, and whether each is always; none for no action of AWS.

        https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
        """
        if action not in self._resources:
            answer = self._ask({"resourcesOf": action})["resources"]
            self._resources[action] = (
                None if answer is None else [(type_["name"], type_["required"]) for type_ in answer]
            )
        return self._resources[action]

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        number = f"{os.getpid()}.{next(self._number)}"
        with self._lock:
            fcntl.lockf(self._turn, fcntl.LOCK_EX)
            try:
                answer = self._answer(number, json.dumps({**question, "number": number}))
            except (OSError, ValueError) as error:
                raise Unanswered(f"it is gone: {error}") from error
            finally:
                fcntl.lockf(self._turn, fcntl.LOCK_UN)
        if "error" in answer:
            raise Unanswered(answer["error"])
        return answer

    def _answer(self, number: str, question: str) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(question + "\n")
        while line := self._process.stdout.readline():
            answer = json.loads(line)
            if answer["number"] == number:
                return dict(answer)
        raise Unanswered(f"it ended (status {self._process.poll()}); its last words are in this log")


@functools.cache
def evaluator_of(plane: ControlPlane) -> Evaluator:
    """The control plane's one evaluator."""
    return Evaluator(plane.node, plane.evaluator)
