"""A control plane in the tests' process, and clients of it."""

import datetime
import ipaddress
import json
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from strict import consistency, instance_credentials, seed
from strict.plane import ControlPlane
from strict.serve import LOOPBACK, Listeners
from strict.truths import apply_all


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--node", type=Path, required=True, help="the program that runs the policy evaluator")
    parser.addoption("--evaluator", type=Path, required=True, help="the policy evaluator's directory")


class Lab:
    """Addresses of the control plane and clients of it."""

    def __init__(self, plane: ControlPlane, listeners: Listeners, trust: Path) -> None:
        self.plane = plane
        self.endpoint = f"https://{LOOPBACK}:{listeners.https_port}"
        self.plain_endpoint = f"http://{LOOPBACK}:{listeners.http_port}"
        self.stock_image = seed.image()
        self._trust = trust

    def own_call(self, call: str, **parameters: Any) -> Any:
        """One of the lab's own calls, which must succeed."""
        query = urllib.parse.urlencode(parameters)
        url = f"{self.plain_endpoint}/_holdfast/{call}?{query}"
        request = urllib.request.Request(url, headers={"x-holdfast-lab": self.plane.secret})
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def client(
        self,
        service: str,
        account: str = "workloads",
        credentials: seed.Credentials | None = None,
        plain: bool = False,
        region: str = seed.REGION,
        checksums: str = "when_supported",
    ) -> Any:
        """A boto3 client as the account's operator, or with other credentials; over plain HTTP where asked."""
        ids = {"workloads": seed.WORKLOADS, "audit": seed.AUDIT}
        credentials = credentials or seed.operator(ids[account])
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.plain_endpoint if plain else self.endpoint,
            verify=str(self._trust),
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            # A refusal must not be asked again, and paths stand in for names in the certificate.
            config=Config(
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                request_checksum_calculation=checksums,
            ),
        )


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    plane = ControlPlane(request.config.getoption("--node"), request.config.getoption("--evaluator"))
    apply_all(plane)
    instance_credentials.apply(plane)
    consistency.apply(plane, 0)
    seed.organization()
    certificate, key = _certificate(tmp_path_factory.mktemp("certificates"))
    listeners = Listeners(plane, certificate, key)
    listeners.start()
    yield Lab(plane, listeners, certificate)
    listeners.stop()


@pytest.fixture(scope="session")
def ec2(lab: Lab) -> Any:
    return lab.client("ec2")


@pytest.fixture
def vpc(ec2: Any) -> str:
    """A VPC of the test's own. Nobody deletes it: the control plane ends with the tests."""
    return ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def subnet(ec2: Any, vpc: str) -> str:
    return ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:12]}"


class Refusal:
    """Expects a call to be refused: ``with refused("DependencyViolation"): …``."""

    def __init__(self, code: str, says: str = "") -> None:
        self._expected = pytest.raises(ClientError)
        self._code = code
        self._says = says

    def __enter__(self) -> None:
        self._caught = self._expected.__enter__()

    def __exit__(self, *exception: Any) -> bool:
        swallowed = bool(self._expected.__exit__(*exception))
        if not swallowed:
            return False
        error = self._caught.value.response["Error"]
        assert error["Code"] == self._code, error
        assert self._says in (error["Message"] or ""), error
        return swallowed


@pytest.fixture(scope="session")
def refused() -> type[Refusal]:
    return Refusal


def _certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for loopback that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "strict tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "server.pem", directory / "server.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
