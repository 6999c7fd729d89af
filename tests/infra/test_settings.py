"""Settings: what the cdk context may say, and how it is told what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.settings import CallAs, Organization, Settings, SettingsError, Vpc, read

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

LEAST = {"id": "o-a1b2c3d4e5", "ous": ["ou-ab12-11111111"], "regions": ["us-east-1", "eu-west-1"]}
MOST = Organization(
    id="o-a1b2c3d4e5",
    ous=("r-ab12",),
    regions=("us-east-1", "eu-west-1"),
    accounts=("444455556666",),
    role_region="eu-west-1",
    namespace="blue",
    role_name="Profiler",
    call_as=CallAs.DELEGATED_ADMIN,
    auto_deployment=False,
    failure_tolerance_percentage=0,
    max_concurrent_percentage=100,
    max_concurrent_accounts=1000,
    tolerated_failure_percentage=0,
)

KEY = "key/1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:eu-west-1:444455556666:{KEY}"
NETWORK = {"subnet_ids": ["subnet-1234abcd", "subnet-0123456789abcdef0"], "security_group_ids": ["sg-1234abcd"]}
VPC = Vpc(subnet_ids=("subnet-1234abcd", "subnet-0123456789abcdef0"), security_group_ids=("sg-1234abcd",))


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
        ({"tags": {"team": "shop", "Cost center": "é/1"}}, Settings(tags={"team": "shop", "Cost center": "é/1"})),
        ({"tags": '{"team": "shop"}'}, Settings(tags={"team": "shop"})),
        ({"tags": None}, Settings()),
        ({"tags": "null"}, Settings()),
        ({"permissions_boundary": "boundary"}, Settings(permissions_boundary="boundary")),
        ({"permissions_boundary": "a/b+=,.@_-"}, Settings(permissions_boundary="a/b+=,.@_-")),
        *(
            ({"permissions_boundary": arn}, Settings(permissions_boundary=arn))
            for arn in ("arn:aws-us-gov:iam::444455556666:policy/a/b", "arn:aws-eusc:iam::aws:policy/PowerUserAccess")
        ),
        ({"permissions_boundary": "null"}, Settings()),
        *(
            ({"kms_key_arn": arn}, Settings(kms_key_arn=arn))
            for arn in (
                KEY_ARN,
                f"arn:aws-eusc:kms:eusc-de-east-1:444455556666:{KEY}",
                f"arn:aws-us-gov:kms:us-gov-west-1:444455556666:{KEY}",
                f"arn:aws-iso-b:kms:us-isob-east-1:444455556666:key/mrk-{'0a' * 16}",
            )
        ),
        ({"kms_key_arn": ""}, Settings()),
        ({"vpc": NETWORK}, Settings(vpc=VPC)),
        ({"vpc": json.dumps(NETWORK)}, Settings(vpc=VPC)),
        ({"vpc": "null"}, Settings()),
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
        ({"tags": ["team"]}, None, r"'tags' is \['team'\]: it must be null or an object"),
        ({"tags": "team=shop"}, None, "'tags' is 'team=shop': it must be null or a JSON object .* shells"),
        ({"tags": {"team": 1}}, None, "'tags.team' is 1: .* string"),
        ({"tags": {"team": None}}, None, "'tags.team' is None: .* string"),
        ({"tags": {"": "shop"}}, None, "'tags' is .*'' = 'shop' is not a valid tag; a key has 1 to 128"),
        ({"tags": {"k" * 129: "shop"}}, None, "'tags' is .* a key has 1 to 128 characters"),
        ({"tags": {"team": "v" * 257}}, None, "'tags' is .* a value has at most 256 characters"),
        ({"tags": {"team": ""}}, None, "'tags' is .*'team' = '' is not a valid tag; .* no empty value"),
        ({"tags": {"team": "a;b"}}, None, "'tags' is .*';' may not stand in a value"),
        ({"tags": {"te*m": "a"}}, None, r"'tags' is .*'\*' may not stand in a key"),
        ({"tags": {"AWS:team": "a"}}, None, "'tags' is .*'AWS:team' = 'a' is not a valid tag; reserved for AWS"),
        ({"tags": {"Profiling-group-provisioner:created-for": "a"}}, None, "'tags' is .* not a valid tag; reserved"),
        ({"tags": {"team": "a", "Team": "b"}}, None, "'tags' is .*'team' and 'Team' are the same key to IAM"),
        ({"tags": {f"key{n}": "v" for n in range(50)}}, None, "'tags' is .*it has 50 tags; expected at most 49"),
        ({"permissions_boundary": "b" * 129}, None, "'permissions_boundary' is 'b+': .* expected its name, or its ARN"),
        ({"permissions_boundary": "a b"}, None, "'permissions_boundary' is 'a b': it is not a managed policy"),
        ({"permissions_boundary": "arn:aws:iam::4444:policy/b"}, None, "'permissions_boundary' is .*: it is not"),
        ({"permissions_boundary": "arn:aws:iam::444455556666:role/b"}, None, "'permissions_boundary' is .*: it is not"),
        ({"permissions_boundary": ["b"]}, None, r"'permissions_boundary' is \['b'\]: .* string"),
        (
            {"account": "444455556666", "permissions_boundary": "arn:aws:iam::111122223333:policy/b"},
            None,
            "'permissions_boundary' is .*: the policy is in account 111122223333; expected one in 444455556666",
        ),
        ({"kms_key_arn": "alias/logs"}, None, "'kms_key_arn' is 'alias/logs': .* expected the key's ARN, not an alias"),
        ({"kms_key_arn": KEY_ARN.replace(KEY, "alias/logs")}, None, "'kms_key_arn' is .*: it is not a KMS key"),
        ({"kms_key_arn": KEY_ARN + "\n"}, None, "'kms_key_arn' is .*: it is not a KMS key"),
        ({"kms_key_arn": KEY_ARN.replace("eu-west-1", "europe")}, None, "'kms_key_arn' is .*: it is not a KMS key"),
        ({"kms_key_arn": 1}, None, "'kms_key_arn' is 1: .* string"),
        (
            {"kms_key_arn": KEY_ARN},
            "us-east-1",
            "the key is in eu-west-1; expected one in us-east-1",
        ),
        (
            {"kms_key_arn": KEY_ARN, "region": "us-east-1"},
            "eu-west-1",
            "the key is in .* expected one in us-east-1",
        ),
        ({"vpc": "subnet-1234abcd"}, None, "'vpc' is 'subnet-1234abcd': it must be null or a JSON object"),
        ({"vpc": ["subnet-1234abcd"]}, None, "'vpc' is .*: it must be null or an object"),
        ({"vpc": {}}, None, "'vpc.subnet_ids' is missing"),
        ({"vpc": {**NETWORK, "security_group_ids": []}}, None, r"'vpc.security_group_ids' is \[\]: .* at least 1"),
        (
            {"vpc": {**NETWORK, "security_groups": []}},
            None,
            "'vpc.security_groups' is unknown; did you mean 'secur",
        ),
        (
            {"vpc": {**NETWORK, "colour": "red"}},
            None,
            "'vpc.colour' is unknown; known are subnet_ids, sec",
        ),
        ({"vpc": {**NETWORK, "subnet_ids": "subnet-1234abcd"}}, None, "'vpc.subnet_ids' is .*: it must be a list"),
        ({"vpc": {**NETWORK, "subnet_ids": ["subnet-1234"]}}, None, r"'vpc.subnet_ids\[0\]' is 'subnet-1234'"),
        ({"vpc": {**NETWORK, "subnet_ids": ["sg-1234abcd"]}}, None, r"'vpc.subnet_ids\[0\]' is 'sg-1234abcd'"),
        ({"vpc": {**NETWORK, "subnet_ids": ["subnet-1234abcd"] * 2}}, None, "it names subnet-1234abcd twice"),
        (
            {"vpc": {**NETWORK, "subnet_ids": [f"subnet-{n:08x}" for n in range(17)]}},
            None,
            "'vpc.subnet_ids' is .* at most 16",
        ),
        (
            {"vpc": {**NETWORK, "security_group_ids": [f"sg-{n:08x}" for n in range(6)]}},
            None,
            "'vpc.security_group_ids' is .* at most 5",
        ),
        ({}, "us-gov-west-1", "not offered in 'us-gov-west-1', only in ap-northeast-1"),
    ],
)
def test_a_bad_context_is_refused_by_naming_the_key(
    context: dict[str, object], default_region: str | None, said: str
) -> None:
    """And what would do."""
    with pytest.raises(SettingsError, match=said):
        read(context, default_region=default_region)


@pytest.mark.parametrize("given", [LEAST, json.dumps(LEAST), {**LEAST, "role_region": None, "role_name": None}])
def test_an_organization_needs_its_id_units_and_regions(given: object) -> None:
    """The rest has defaults; from `-c` it comes as JSON text."""
    expected = Organization(
        id="o-a1b2c3d4e5",
        ous=("ou-ab12-11111111",),
        regions=("us-east-1", "eu-west-1"),
        role_region="us-east-1",
        role_name="ProfilingGroupProvisioner",
    )
    assert read({"organization": given}, default_region=None).organization == expected


def test_all_else_about_an_organization_can_be_chosen() -> None:
    """Every key of it."""
    assert read({"organization": json.loads(json.dumps(asdict(MOST)))}, default_region=None).organization == MOST


@pytest.mark.parametrize("nothing", [None, "null", ""])
def test_without_an_organization_there_is_none(nothing: object) -> None:
    """As it is by default."""
    assert read({"organization": nothing}, default_region=None) == Settings()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"id": "o-1"}, "'organization.id' is 'o-1'"),
        ({"id": None}, "'organization.id' is None"),
        ({"ous": []}, r"'organization.ous' is \[\]"),
        ({"ous": "r-ab12"}, "'organization.ous' is 'r-ab12': it must be a list"),
        ({"ous": ["r-ab12", "ou-1"]}, r"'organization.ous\[1\]' is 'ou-1'"),
        ({"ous": ["r-ab12", "r-ab12"]}, "'organization.ous' is .*: it names r-ab12 twice"),
        ({"regions": []}, r"'organization.regions' is \[\]"),
        ({"regions": ["sa-east-1"]}, r"'organization.regions\[0\]' is 'sa-east-1': CodeGuru Profiler is not offered"),
        ({"accounts": [444455556666]}, r"'organization.accounts\[0\]' is 444455556666"),
        ({"accounts": [f"{n:012}" for n in range(300)]}, "'organization.accounts' is .*: .* has room for 3000"),
        ({"role_region": "us-west-2"}, "'organization.role_region' is 'us-west-2': .* one of the regions, us-east-1"),
        ({"namespace": "blue_green"}, "'organization.namespace' is 'blue_green'"),
        ({"namespace": "n" * 33}, "'organization.namespace' is 'n+': .* at most 32 characters"),
        ({"role_name": "r" * 65}, "'organization.role_name' is 'r+'"),
        ({"role_name": "profilinggroupshub"}, "'organization.role_name' is .*: that is the name of the hub's own role"),
        ({"namespace": "b", "role_name": "ProfilingGroupsHub-b"}, "'organization.role_name' is .* the hub's own role"),
        ({"call_as": "ADMIN"}, "'organization.call_as' is 'ADMIN': .*'SELF' or 'DELEGATED_ADMIN'"),
        ({"auto_deployment": "perhaps"}, "'organization.auto_deployment' is 'perhaps'"),
        ({"failure_tolerance_percentage": 101}, "'organization.failure_tolerance_percentage' is 101"),
        ({"max_concurrent_percentage": 0}, "'organization.max_concurrent_percentage' is 0"),
        ({"max_concurrent_accounts": 10_001}, "'organization.max_concurrent_accounts' is 10001"),
        ({"tolerated_failure_percentage": -1}, "'organization.tolerated_failure_percentage' is -1"),
        ({"role_regoin": "eu-west-1"}, "'organization.role_regoin' is unknown; did you mean 'role_region'"),
        ({"colour": "red"}, "'organization.colour' is unknown; known are id, ous, regions"),
    ],
)
def test_a_bad_organization_is_refused_by_naming_the_key(given: dict[str, object], said: str) -> None:
    """Down to the item of a list."""
    with pytest.raises(SettingsError, match=said):
        read({"organization": {**LEAST, **given}}, default_region=None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "{id: o-a1b2c3d4e5}",
            "'organization' is '{id: .*: it must be null or a JSON object .* shells take double quotes",
        ),
        ("[]", r"'organization' is \[\]: it must be null or an object"),
        (True, "'organization' is True: it must be null or an object"),
        ({}, "'organization.id' is missing"),
        ({**LEAST, "id": "o-a1b2c3d4e5", "regoins": []}, "'organization.regoins' is unknown; did you mean 'regions'"),
        ({"idd": "o-a1b2c3d4e5"}, "'organization.idd' is unknown; did you mean 'id'"),
    ],
)
def test_what_is_no_organization_is_refused(given: object, said: str) -> None:
    """A key that is misspelt is named rather than the one that is missing for it."""
    with pytest.raises(SettingsError, match=said):
        read({"organization": given}, default_region=None)


def test_the_longest_namespace_still_makes_good_names() -> None:
    """IAM takes 64 characters, EventBridge 64 for a rule; a stack of a stack set ends in a UUID, within 128."""
    longest = read({"organization": {**LEAST, "namespace": "n" * 32}}, default_region=None).organization
    assert longest is not None
    assert max(map(len, (longest.role_name, longest.hub_role_name, longest.member_name))) <= 64
    assert len(f"StackSet-{longest.member_name}-{'0' * 36}") <= 128


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


def test_forty_nine_tags_leave_room_for_the_one_of_a_function() -> None:
    """AWS takes 50 on a resource."""
    tags = {f"key{n}": "v" for n in range(49)}
    assert read({"tags": tags}, default_region=None).tags == tags
