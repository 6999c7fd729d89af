"""Settings: what the cdk context may say, and how it is told what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.settings import Settings, SettingsError, read

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable


def test_the_defaults_stand_in_cdk_json() -> None:
    """So that a reader of that file sees all there is to choose."""
    shipped = json.loads((Path(__file__).resolve().parents[2] / "cdk.json").read_text())["context"]
    assert shipped == asdict(Settings())


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, Settings()),
        ({"reserved_concurrency": 2}, Settings(reserved_concurrency=2)),
        ({"reserved_concurrency": "2"}, Settings(reserved_concurrency=2)),
        ({"reserved_concurrency": "null"}, Settings(reserved_concurrency=None)),
        ({"reserved_concurrency": None}, Settings(reserved_concurrency=None)),
        ({"log_retention_days": "365"}, Settings(log_retention_days=365)),
        ({"backfill_schedule": "rate(6 hours)"}, Settings(backfill_schedule="rate(6 hours)")),
        ({"backfill_schedule": "rate(1 hour)"}, Settings(backfill_schedule="rate(1 hour)")),
        ({"backfill_schedule": "cron(0 4 * * ? *)"}, Settings(backfill_schedule="cron(0 4 * * ? *)")),
        ({"backfill_schedule": "cron(15 3 ? * MON-FRI *)"}, Settings(backfill_schedule="cron(15 3 ? * MON-FRI *)")),
        ({"backfill_schedule": "cron(0 1/6 L * ? 2026)"}, Settings(backfill_schedule="cron(0 1/6 L * ? 2026)")),
        ({"backfill_schedule": "null"}, Settings(backfill_schedule=None)),
        ({"report_retention_days": "30"}, Settings(report_retention_days=30)),
        ({"account": "444455556666", "region": "eu-west-1"}, Settings(account="444455556666", region="eu-west-1")),
        ({"aws:cdk:bundling-stacks": ["**"], "@aws-cdk/core:flag": True, "availability-zones:x": []}, Settings()),
    ],
)
def test_a_good_context_is_read(context: dict[str, object], expected: Settings) -> None:
    """Values from `-c` are strings; keys of the CDK's own are none of ours."""
    assert read(context, default_region=None) == expected


@pytest.mark.parametrize(
    ("context", "default_region", "said"),
    [
        ({"reserved_concurency": 2}, None, "'reserved_concurency' is unknown; did you mean 'reserved_concurrency'"),
        ({"colour": "red"}, None, "'colour' is unknown; known are account, region"),
        ({"reserved_concurrency": 0}, None, "'reserved_concurrency' is 0: .* greater than or equal to 1"),
        ({"reserved_concurrency": "many"}, None, "'reserved_concurrency' is 'many': .* integer"),
        ({"reserved_concurrency": 1.5}, None, "'reserved_concurrency' is 1.5"),
        ({"log_retention_days": 8}, None, "'log_retention_days' is 8: .* one of 1, 3, 5, 7"),
        ({"log_retention_days": None}, None, "'log_retention_days' is None"),
        ({"backfill_schedule": "daily"}, None, r"'backfill_schedule' is 'daily': .* rate\(1 day\) .* cron\(0 4"),
        ({"backfill_schedule": "rate(1 days)"}, None, "'backfill_schedule' is"),
        ({"backfill_schedule": "rate(2 day)"}, None, "'backfill_schedule' is"),
        ({"backfill_schedule": "rate(0 days)"}, None, "'backfill_schedule' is"),
        ({"backfill_schedule": "rate(30 minutes)"}, None, "a rate in hours or days"),
        ({"backfill_schedule": "at(2026-01-01T00:00:00)"}, None, "'backfill_schedule' is"),
        ({"backfill_schedule": "cron(0 4 * * * *)"}, None, "'backfill_schedule' is"),
        ({"backfill_schedule": "cron(0 4 ? * ? *)"}, None, "'backfill_schedule' is"),
        ({"backfill_schedule": "cron(0 4 * * ?)"}, None, "'backfill_schedule' is"),
        ({"backfill_schedule": 1}, None, "'backfill_schedule' is 1: .* string"),
        ({"report_retention_days": 0}, None, "'report_retention_days' is 0"),
        ({"report_retention_days": "null"}, None, "'report_retention_days' is 'null'"),
        ({"account": "12"}, None, "'account' is '12'"),
        ({"account": 444455556666}, None, "'account' is 444455556666"),
        ({"region": "sa-east-1"}, None, "'region' is 'sa-east-1': CodeGuru Profiler is not offered in 'sa-east-1'"),
        ({"region": "nowhere"}, None, "not offered in 'nowhere'"),
        ({}, "us-gov-west-1", "not offered in 'us-gov-west-1', only in ap-northeast-1"),
    ],
)
def test_a_bad_context_is_refused_by_naming_the_key(
    context: dict[str, object], default_region: str | None, said: str
) -> None:
    """And what would do."""
    with pytest.raises(SettingsError, match=said):
        read(context, default_region=default_region)


def test_a_region_of_its_own_makes_the_cli_default_irrelevant() -> None:
    """The stack goes where the setting says."""
    assert read({"region": "eu-west-1"}, default_region="sa-east-1").region == "eu-west-1"


def test_synth_fails_in_a_region_without_the_profiler_and_says_so(
    synth: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The CLI's own region counts, where no setting says otherwise."""
    done = synth(tmp_path, region="sa-east-1")
    assert done.returncode != 0
    assert "CodeGuru Profiler is not offered in 'sa-east-1'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.template.json"))
