from collections.abc import Iterator

import pytest

from tests.fixtures import desk
from tests.unit.handlers.agent_desk import Desk
from tools.catalogue import Catalogue


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """The shop's tools; one database serves all tests, since reads and staged writes change nothing."""
    with desk.build_catalogue(tmp_path_factory.mktemp("desk")) as catalogue:
        yield catalogue


@pytest.fixture
def shop(tools: Catalogue) -> Desk:
    return Desk(tools)
