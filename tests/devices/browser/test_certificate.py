"""A certificate for a server that nobody vouches for."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import sys

import pytest

from edgebench.devices.browser import certificate, network
from edgebench.devices.browser.site import Site
from edgebench.errors import MissingError


def shaken(site: Site) -> bytes:
    """The certificate that a client is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", site.server_port), timeout=10) as line, context.wrap_socket(line, server_hostname="localhost") as talk:
        talk.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{site.server_port}\r\nConnection: close\r\n\r\n".encode())
        assert talk.recv(15) == b"HTTP/1.1 200 OK"
        return talk.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("way", ["cryptography", "openssl"])
def test_the_fingerprint_is_that_of_the_certificate_shown(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "openssl":
        monkeypatch.setitem(sys.modules, "cryptography", None)
        if shutil.which("openssl") is None:
            pytest.skip("no program openssl is installed")
    else:
        pytest.importorskip("cryptography", reason="install edgebench[serve]")
    context, fingerprint = certificate.made(["localhost", "127.0.0.1", "::1"])
    site = Site("127.0.0.1", 0, names=["localhost"], tls=context, head_s=2)
    site.open()
    try:
        assert hashlib.sha256(shaken(site)).hexdigest().upper() == fingerprint.replace(":", "")
        with socket.create_connection(("127.0.0.1", site.server_port), timeout=10) as silent:  # who never shakes hands holds nobody up
            shaken(site)
            silent.settimeout(5)
            assert silent.recv(1) == b""
    finally:
        site.close()


def test_without_either_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingError, match=r"install edgebench\[serve\]"):
        certificate.made(["localhost"])


def test_a_server_goes_by_its_own_names_only() -> None:
    assert network.names("127.0.0.1") == ["127.0.0.1", "localhost"]
    assert network.names("10.1.2.3") == ["10.1.2.3"]
    assert {"localhost", "127.0.0.1", network.reachable("0.0.0.0")} <= set(network.names("0.0.0.0"))
