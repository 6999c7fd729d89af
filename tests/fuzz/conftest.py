"""The fixtures of the unit tests, whose account of moto's the fuzzers spoil."""

from tests.unit.conftest import *  # noqa: F403 - fixtures are found by their names
from tests.unit.conftest import _closed, _known_reasons  # noqa: F401 - the same
