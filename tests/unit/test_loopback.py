import pytest

from daemon.loopback import is_loopback


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("127.shop.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_is_an_address_not_a_name_that_looks_like_one(host: str, local: object) -> None:
    assert is_loopback(host) is local
