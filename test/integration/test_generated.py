"""Messages made by a seed, up to 30 MB, come back as they went in."""

from __future__ import annotations

from test.support.messages import generated, sizes
from test.support.round_trip import RoundTrip
from test.support.server_process import ServerTestCase

_COUNT = 20
_LEAST, _MOST = 1_000, 30_000_000


class GeneratedTests(ServerTestCase):
    """Sizes are evenly spread over the logarithm."""

    def test_round_trip(self) -> None:
        """By LMTP and by APPEND in turns, each message read by IMAP has the digest of what was sent."""
        server = self.server("storage.default_quota=100 GiB")
        with RoundTrip(server) as trip:
            for number, size in enumerate(sizes(_COUNT - 2, _LEAST, _MOST) + [_LEAST, _MOST]):
                self.assertEqual(trip.run(number, generated(number, size)), [], f"seed {number}, size {size}")
