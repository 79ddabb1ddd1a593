from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import desk
from tools.catalogue import Catalogue


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Catalogue]:
    with desk.build_catalogue(tmp_path) as catalogue:
        yield catalogue
