"""Where a request comes from, as far as it matters for keeping callers apart."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from fastapi import Request

# A household or a phone gets a whole /64 and may change its address inside it with every request.
IPV6_PREFIX = 64
UNKNOWN = "unknown"


def network_of(request: Request) -> str:
    """The caller's IPv4 address or IPv6 /64; ``unknown`` behind a socket that has no addresses.

    The peer's, or what X-Forwarded-For says when the peer is a proxy that uvicorn trusts (FORWARDED_ALLOW_IPS).
    """
    return _network(request.client.host) if request.client is not None else UNKNOWN


@lru_cache(4_096)
def _network(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, IPV6_PREFIX), strict=False))
        address = address.ipv4_mapped
    return str(address)
