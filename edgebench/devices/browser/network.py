"""Where a server listens -> the names that it may be called by, and the one to tell people."""

from __future__ import annotations

import ipaddress
import socket

ANY = ("0.0.0.0", "::")


def names(host: str) -> list[str]:
    """Every name and address that leads to a server at `host`: the only ones that a request may call it by."""
    if is_loopback(host):
        return list(dict.fromkeys([host, "localhost", "127.0.0.1"]))
    if host not in ANY:
        return [host]
    name = socket.gethostname().lower()
    return list(dict.fromkeys(["localhost", "127.0.0.1", reachable(host), *_addresses(), name, f"{name.partition('.')[0]}.local"]))


def reachable(host: str) -> str:
    """What to open from another device: where every address is listened on, the one that leads out of this machine."""
    if host not in ANY:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is nobody's (RFC 5737); a datagram socket sends nothing to connect
            return str(probe.getsockname()[0])
        except OSError:
            return next((one for one in _addresses() if not is_loopback(one)), "127.0.0.1")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _addresses() -> list[str]:
    """This machine's own, link-local ones of IPv6 left out, which no browser takes."""
    import psutil

    found = [one.address for each in psutil.net_if_addrs().values() for one in each if one.family in (socket.AF_INET, socket.AF_INET6)]
    return [one for one in found if "%" not in one]
