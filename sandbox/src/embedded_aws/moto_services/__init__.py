"""AWS services that moto lacks, each laid out like one of moto's own packages.

The sandbox's server calls `register` once, before it answers its first request.
"""

import re
import sys

from moto import backend_index

from embedded_aws.moto_services import codeguruprofiler
from embedded_aws.moto_services.codeguruprofiler import models
from embedded_aws.moto_services.codeguruprofiler.urls import url_bases

_SERVICE = "codeguruprofiler"


def register() -> None:
    """Make moto serve requests signed for `codeguru-profiler`; a second call changes nothing.

    moto finds a service in two steps: `backend_index` maps a host to a package name, and `moto.<package>` is then
    imported. Our package is entered under moto's name as the very module object that the sandbox imports: a second
    import from an extended `moto.__path__` would have backends of its own, and a quota set in one of them would not
    be in force in the other.
    """
    sys.modules[f"moto.{_SERVICE}"] = codeguruprofiler
    sys.modules[f"moto.{_SERVICE}.models"] = models
    if not any(service == _SERVICE for service, _ in backend_index.backend_url_patterns):
        backend_index.backend_url_patterns.extend((_SERVICE, re.compile(base)) for base in url_bases)
