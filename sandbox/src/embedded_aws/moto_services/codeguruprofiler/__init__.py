"""Amazon CodeGuru Profiler (API 2019-07-18): profiling groups with their tags and policies.

Profiles, findings and notification channels are not served: see `responses`.
"""

from .models import codeguruprofiler_backends

__all__ = ["codeguruprofiler_backends"]
