"""The browser that all of these tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium
from tests.browser.chromium import Chromium

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all; without one its tests are skipped."""
    program = chromium.find()
    if program is None:
        pytest.skip("there is no Chromium on PATH (make test-browser installs it on Debian)")
    with Chromium(program, tmp_path_factory.mktemp("profile")) as found:
        yield found
