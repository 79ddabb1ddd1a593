"""Looks up DKIM keys in the DNS, each within two seconds and never a second time for one mail."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from daemon.inbound.dkim import KeyRecord

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

SECONDS = 2.0
"""What one look-up may take, repeated questions and further servers included."""
_CACHED = 1000
"""Answers that are kept as long as their TTL says."""


class KeyResolver:
    """Asks the system's DNS servers, or those that are named."""

    def __init__(self, *, servers: Sequence[str] = (), port: int = 53, seconds: float = SECONDS) -> None:
        """Nothing is asked or read yet.

        Args:
            servers: addresses; none: those of /etc/resolv.conf.
            port: where `servers` listen.
            seconds: what one look-up may take.
        """
        self._servers = servers
        self._port = port
        self._seconds = seconds
        self._resolver: Resolver | None = None

    async def look_up(self, names: Iterable[str]) -> dict[str, KeyRecord]:
        """The records under each name, asked for at once; never raises."""
        unique = list(dict.fromkeys(names))
        return dict(zip(unique, await asyncio.gather(*(self._record(name) for name in unique)), strict=True))

    async def _record(self, name: str) -> KeyRecord:
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            # with the closing dot, so that no search domain of the host is appended
            answer = await self._ready().resolve(dns.name.from_text(name + "."), "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return KeyRecord()
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            return KeyRecord(problem=f"{type(error).__name__}: the DNS did not answer for {name}")
        texts = [b"".join(each.strings) for each in answer]
        if len(texts) != 1:
            return KeyRecord(problem=f"there are {len(texts)} records under {name} (RFC 6376 section 3.6.2.2)")
        return KeyRecord(text=texts[0])

    def _ready(self) -> "Resolver":
        if self._resolver is None:
            import dns.asyncresolver
            import dns.resolver

            self._resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                self._resolver.nameservers = list(self._servers)
                self._resolver.port = self._port
            self._resolver.lifetime = self._seconds
            self._resolver.timeout = self._seconds / 2
            self._resolver.cache = dns.resolver.LRUCache(_CACHED)
        return self._resolver
