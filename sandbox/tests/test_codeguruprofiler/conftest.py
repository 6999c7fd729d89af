"""Make the service known to moto, as it would be as a package of moto's own."""

from __future__ import annotations

import pytest

from embedded_aws.moto_services import register


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()
