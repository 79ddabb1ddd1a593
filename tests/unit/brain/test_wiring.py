"""What the configuration makes of the brain."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.brain.fallback import WithFallback
from daemon.brain.limited import Limited
from daemon.brain.wiring import Wired, wire
from daemon.config import BrainConfig, Config, StoreConfig
from handlers.contract import BrainFailed


def wired(environ: dict[str, str] | None = None, **brain: Any) -> Wired:
    config = Config.model_construct(
        store=StoreConfig(url="sqlite:///triaged.db"), mailbox={}, brain=BrainConfig(provider="anthropic", **brain)
    )
    return wire(config, key=b"k" * 16, environ=environ or {})


def test_without_a_key_anthropic_can_not_be_asked() -> None:
    with pytest.raises(BrainFailed, match="ANTHROPIC_API_KEY"):
        wired()


def test_a_key_from_the_environment_is_enough() -> None:
    assert isinstance(wired({"ANTHROPIC_API_KEY": "sk"}).brain, Limited)


def test_a_server_of_ones_own_needs_no_key() -> None:
    assert wired(base_url="http://127.0.0.1:8080").brain.name == "anthropic"


def test_a_fallback_model_has_a_breaker_of_its_own() -> None:
    both = wired({"ANTHROPIC_API_KEY": "sk"}, fallback_model="claude-haiku-5-5")
    assert isinstance(both.brain, WithFallback)
    assert set(both.breakers) == {"claude-sonnet-5-5", "claude-haiku-5-5"}


def test_a_fallback_that_is_the_same_model_is_none() -> None:
    assert len(wired({"ANTHROPIC_API_KEY": "sk"}, fallback_model="claude-sonnet-5-5").models) == 1


@pytest.mark.parametrize("url", ["http://models.example", "ftp://127.0.0.1", "127.0.0.1:8080", "http://127.0.0.1.evil"])
def test_mail_never_goes_out_in_clear(url: str) -> None:
    with pytest.raises(ValidationError, match="base_url"):
        wired({"ANTHROPIC_API_KEY": "sk"}, base_url=url)


def test_a_key_from_a_file_wins(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-file\n")
    file.chmod(0o600)
    assert wired({"ANTHROPIC_API_KEY": "sk"}, api_key_file=file).models[0]._connection._api_key == "sk-file"
