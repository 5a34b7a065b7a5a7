"""A certificate made on the spot, for addresses that nobody else vouches for: what lets a page in a local network have threads and a GPU.

Nobody signed it, so a browser warns; who compares the fingerprint knows that it is ours.
"""

from __future__ import annotations

import hashlib
import ipaddress
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgebench.errors import MissingError

DAYS = 7


def made(hosts: Sequence[str]) -> tuple[ssl.SSLContext, str]:
    """A context for a server at `hosts` (names and addresses), and the certificate's SHA-256 as browsers show it.

    The key is on the disk only while it is read, in a folder that is its owner's. MissingError without the package
    cryptography and without the program openssl.
    """
    with tempfile.TemporaryDirectory(prefix="edgebench-") as name:
        key, certificate = Path(name) / "key.pem", Path(name) / "certificate.pem"
        try:
            _by_cryptography(hosts, key, certificate)
        except ImportError:
            _by_openssl(hosts, key, certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest().upper()
    return context, ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _by_cryptography(hosts: Sequence[str], key_path: Path, path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edgebench serve")])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(one)) if _is_address(one) else x509.DNSName(one) for one in hosts]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(hours=1), now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    path.write_bytes(certificate.public_bytes(pem))


def _by_openssl(hosts: Sequence[str], key_path: Path, path: Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise MissingError("a certificate needs the package cryptography, which is not installed, or the program openssl; install edgebench[serve]")
    names = ",".join(f"{'IP' if _is_address(one) else 'DNS'}:{one}" for one in hosts)
    done = subprocess.run(
        [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(DAYS), "-subj", "/CN=edgebench serve",
         "-addext", f"subjectAltName={names}", "-addext", "extendedKeyUsage=serverAuth", "-keyout", str(key_path), "-out", str(path)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise MissingError(f"openssl made no certificate: {said[-1] if said else f'status {done.returncode}'}; install edgebench[serve]")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
