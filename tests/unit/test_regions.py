"""What is written down about AWS agrees with what the SDK knows."""

import boto3

from profiling_groups.decision import PROFILER_REGIONS


def test_the_regions_are_those_of_the_sdks_endpoints() -> None:
    """In every partition."""
    session = boto3.session.Session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("codeguruprofiler", partition_name=partition)
    }
    assert known == PROFILER_REGIONS
