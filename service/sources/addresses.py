"""Where a host's name leads, and which addresses are everybody's: the others are this network's own business.

The sources of the rules are the registries of special-purpose addresses (RFC 6890), as the standard library knows them.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, the best first. Raises OSError where it has none."""
IsPublic = Callable[[str], bool]

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine's resolver knows. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's: routed everywhere, one host's, and no other address in disguise."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    inner = _inside(parsed)
    if inner is not None:
        return _is_public_v4(inner)
    return parsed in _GLOBAL_UNICAST and parsed.is_global and parsed.scope_id is None


def _is_public_v4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The address that a packet ends up at where a translator stands on its way: mapped, NAT64, 6to4."""
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
