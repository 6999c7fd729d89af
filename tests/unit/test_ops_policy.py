"""`policy validate`, `explain` and `diff`: a policy file, looked at before it is deployed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import EndpointConnectionError
from click.testing import CliRunner

from ops.__main__ import commands
from tests.unit.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from click.testing import Result

    from tests.unit.account import Account

pytestmark = pytest.mark.usefixtures("operators_folder")

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, stdin: str | BytesIO | None = None) -> Result:
    """Run a command of `policy`."""
    return CliRunner().invoke(commands, ["policy", *arguments], input=stdin)


def arn(name: str, *, region: str = REGION) -> str:
    """Return a function's ARN."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"


def configuration(name: str, *, runtime: str = "python3.13", region: str = REGION) -> dict[str, object]:
    """Return what `aws lambda get-function-configuration` prints, abridged."""
    return {
        "FunctionName": name,
        "FunctionArn": arn(name, region=region),
        "Runtime": runtime,
        "Role": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "Handler": "app.handler",
        "CodeSize": 187,
        "Version": "$LATEST",
        "Environment": {"Variables": {"STAGE": "test"}},
        "PackageType": "Zip",
        "Architectures": ["arm64"],
    }


def get_function(name: str, tags: dict[str, str], **of: str) -> dict[str, object]:
    """Return what `aws lambda get-function` prints, abridged."""
    return {"Configuration": configuration(name, **of), "Code": {"RepositoryType": "S3"}, "Tags": tags}


def write(name: str, content: object) -> str:
    """Write a file, as JSON where it is no text, and return its name."""
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
    return name


# validate


def test_a_policy_is_found_good_and_shows_what_follows() -> None:
    """The events and the permissions; `policy.yaml` is looked at where none is named."""
    done = run("validate")
    assert done.exit_code == 0
    assert done.stdout.startswith("policy.yaml is a policy.\n")
    assert "CreateFunction20150331\n" in done.stdout
    assert "DeleteFunction" not in done.stdout
    assert "codeguru-profiler:CreateProfilingGroup    *\n" in done.stdout
    assert "codeguru-profiler:DescribeProfilingGroup  profilingGroup/aws-lambda-*\n" in done.stdout
    assert "lambda:ListFunctions                      *\n" in done.stdout


def test_what_a_policy_asks_for_is_told_for_programs() -> None:
    """A policy that deletes may do more, and listens to nothing more: a backfill deletes."""
    write("policy.yaml", "lifecycle: {when_function_is_deleted: delete}")
    found = json.loads(run("validate", "--json").stdout)
    assert (found["file"], found["valid"], found["problems"]) == ("policy.yaml", True, [])
    assert found["events"] == ["CreateFunction20150331", "TagResource20170331v2", "UntagResource20170331v2"]
    on_groups = {"action": "codeguru-profiler:DeleteProfilingGroup", "resource": "profilingGroup/aws-lambda-*"}
    assert on_groups in found["permissions"]


def test_every_problem_is_told_by_file_line_and_key() -> None:
    """On standard error, in the form that editors jump to; with `--json` on standard output besides."""
    write("bad.yaml", "functions:\n  colour: red\ngroup:\n  grant_agent: 1\n")
    done = run("validate", "bad.yaml")
    assert (done.exit_code, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("bad.yaml:2: functions.colour: is not known; allowed: names")
    assert second.startswith("bad.yaml:4: group.grant_agent: must be")
    found = json.loads(run("validate", "bad.yaml", "--json").stdout)
    assert [(each["line"], each["key"]) for each in found["problems"]] == [
        (2, "functions.colour"),
        (4, "group.grant_agent"),
    ]
    assert (found["valid"], found["events"], found["permissions"]) == (False, [], [])


# explain, of functions in files

FILE = [
    get_function("orders", {"team": "payments", "aws:cloudformation:stack-name": "orders"}),
    {"Functions": [configuration("web", runtime="nodejs22.x"), configuration("plain")]},
    {**configuration("batch"), "Runtime": None, "PackageType": "Image", "Tags": {"codeguru-profiler": "Off"}},
    get_function("orders", {}, region="us-east-1"),
]


def explained(*arguments: str, stdin: str | None = None) -> tuple[int, list[dict[str, object]], list[str]]:
    """Run `policy explain --json`, and return its exit status, functions and problems."""
    done = run("explain", *arguments, "--json", stdin=stdin)
    found = json.loads(done.stdout)
    return done.exit_code, found["functions"], found["problems"]


def test_every_shape_that_aws_prints_is_explained() -> None:
    """Decision, rule, name, tags and all; from standard input, too."""
    status, found, problems = explained("--functions", "-", stdin=json.dumps(FILE))
    assert (status, problems) == (0, [])
    assert [(each["function"], each["group"], each["reason"], each["rule"]) for each in found] == [
        (arn("orders"), "aws-lambda-orders", None, None),
        (arn("web"), None, "unsupported_runtime", "functions.runtimes.include"),
        (arn("plain"), "aws-lambda-plain", None, None),
        (arn("batch"), None, "opted_out", "functions.tags.opt_out.codeguru-profiler"),
        (arn("orders", region="us-east-1"), "aws-lambda-orders", None, None),
    ]
    assert found[0]["tags"] == {
        "profiling-group-provisioner:created-for": arn("orders"),
        "managed-by": "profiling-group-provisioner",
        "team": "payments",
    }
    assert found[0]["adopts"] == "untagged"
    assert found[0]["dropped_tags"] == [{"key": "aws:cloudformation:stack-name", "why": "reserved for AWS"}]
    assert (found[0]["profiling_enabled"], found[0]["agent_role"]) == (True, None)
    assert found[3]["leftover"] == "aws-lambda-batch"


def test_the_tags_explained_leave_room_for_the_mark() -> None:
    """A group carries 50: its mark and what the policy adds come first."""
    tags = {f"k{number:02}": "v" for number in range(50)}
    done = run("explain", "--functions", "-", "--json", stdin=json.dumps(get_function("orders", tags)))
    (found,) = json.loads(done.stdout)["functions"]
    assert found["tags"].keys() == {"profiling-group-provisioner:created-for", "managed-by", *sorted(tags)[:48]}
    assert [tag["key"] for tag in found["dropped_tags"]] == ["k48", "k49"]


def test_a_person_reads_what_and_why() -> None:
    """A block for each function."""
    write("agents.yaml", "group: {grant_agent: true, profiling_enabled: false}")
    done = run("explain", "--functions", write("f.json", FILE[:2]), "--policy", "agents.yaml")
    orders, web, *_ = done.stdout.split("\n\n")
    assert orders.splitlines() == [
        arn("orders"),
        "  group          aws-lambda-orders",
        "  existing       managed if it has this function's mark; adopted if it has no tags; otherwise not touched",
        f"  tags           profiling-group-provisioner:created-for = {arn('orders')}",
        "                 managed-by = profiling-group-provisioner",
        "                 team = payments",
        "  not inherited  aws:cloudformation:stack-name: reserved for AWS",
        "  profiling      not enabled, if the group is new",
        f"  agent's role   arn:aws:iam::{ACCOUNT}:role/orders",
    ]
    assert web.splitlines() == [
        arn("web"),
        "  group    none",
        "  reason   unsupported_runtime",
        "  because  runtime nodejs22.x",
        "  rule     functions.runtimes.include",
    ]
    # That list-functions tells no tags is not passed over.
    assert "f.json: 2 functions without Tags" in done.stderr


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["web"], ["web"]),
        (["orders"], ["orders", "orders"]),
        ([arn("orders", region="us-east-1") + ":7"], ["orders"]),
        ([f"{ACCOUNT}:function:batch", "web", "web"], ["batch", "web"]),
    ],
)
def test_names_choose_among_those_of_a_file(names: list[str], expected: list[str]) -> None:
    """A name, a part of an ARN, an ARN with a version; each once."""
    status, found, _ = explained(*names, "--functions", write("f.json", FILE))
    assert status == 0
    assert [str(each["function"]).rpartition(":")[2] for each in found] == expected


def test_an_arn_chooses_by_its_account() -> None:
    """A file may hold functions of several, under the same name."""
    others = arn("orders").replace(ACCOUNT, "444455556666")
    file = write("f.json", [configuration("orders"), {**configuration("orders"), "FunctionArn": others}])
    status, found, _ = explained("444455556666:function:orders", "--functions", file)
    assert (status, [each["function"] for each in found]) == (0, [others])


@pytest.mark.parametrize(
    ("adopt", "said"),
    [
        ("untagged", "adopted if it has no tags; otherwise not touched"),
        ("all", "otherwise adopted, unless CloudFormation manages it or it has another function's mark"),
        ("none", "otherwise not touched"),
    ],
)
def test_explain_says_what_becomes_of_an_existing_group(adopt: str, said: str) -> None:
    """By lifecycle.adopt_existing_groups."""
    write("policy.yaml", f"lifecycle: {{adopt_existing_groups: {adopt}}}")
    lines = run("explain", "--functions", write("f.json", FILE[:1])).stdout.splitlines()
    assert f"  existing       managed if it has this function's mark; {said}" in lines


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"AWS_CODEGURU_PROFILER_GROUP_NAME": "aws-lambda-orders"}, None),
        ({"AWS_CODEGURU_PROFILER_GROUP_NAME": "another"}, "own_group"),
        ({"AWS_CODEGURU_PROFILER_TARGET_REGION": "eu-west-1"}, None),
        ({"AWS_CODEGURU_PROFILER_TARGET_REGION": "us-west-2"}, "reports_to_other_region"),
    ],
)
def test_explain_reads_the_agents_environment(variables: dict[str, str], reason: str | None) -> None:
    """A function that names its own group by the policy gets it."""
    file = write("f.json", {**configuration("orders"), "Environment": {"Variables": variables}})
    (found,) = explained("--functions", file)[1]
    assert (found["reason"], found["group"]) == (reason, None if reason else "aws-lambda-orders")


def test_what_could_not_be_seen_is_told() -> None:
    """A function whose environment is encrypted with a key that is not ours to use may name a group there."""
    unread = {**configuration("orders"), "Environment": {"Error": {"ErrorCode": "AccessDeniedException"}}}
    lines = run("explain", "--functions", write("f.json", unread)).stdout.splitlines()
    assert "  group      aws-lambda-orders" in lines
    assert [line for line in lines if line.startswith("  but        its environment could not be read (AccessDenied")]


def test_what_is_no_function_is_named_and_the_others_are_explained() -> None:
    """By its place in the file."""
    strangers: list[object] = [
        {"a": 1},
        3,
        {"FunctionArn": "orders", "Runtime": "java21"},
        {"FunctionArn": arn("zip"), "PackageType": "Zip"},
        {**configuration("odd"), "Architectures": "arm64"},
    ]
    status, found, problems = explained(
        "nobody", "a:b:c:d", "plain", "--functions", write("f.json", [*strangers, *FILE])
    )
    assert status == 1
    assert [each["function"] for each in found] == [arn("plain")]
    for problem, said in zip(
        problems,
        [
            "f.json: entry 1: is no function",
            "f.json: entry 2: is no function",
            "f.json: entry 3: FunctionArn: 'orders' is no ARN",
            "f.json: entry 4: Runtime: is missing",
            "f.json: entry 5: Architectures: ",
            "nobody: is not in f.json",
            "a:b:c:d: is neither",
        ],
        strict=True,
    ):
        assert problem.startswith(said)


# explain, of functions in the account


def test_a_function_of_the_account_is_read(account: Account) -> None:
    """By name or ARN; what the environment names counts, which no record shows."""
    account.function("orders", tags={"team": "payments"})
    account.function("reports", variables={"AWS_CODEGURU_PROFILER_GROUP_NAME": "shared"})
    status, found, problems = explained("orders", arn("reports") + ":$LATEST")
    assert (status, problems) == (0, [])
    assert [(each["function"], each["group"], each["reason"]) for each in found] == [
        (arn("orders"), "aws-lambda-orders", None),
        (arn("reports"), None, "own_group"),
    ]


def test_a_function_that_does_not_exist_is_named(account: Account) -> None:
    """The others are explained all the same."""
    account.function("orders")
    done = run("explain", "nobody", "orders")
    assert done.exit_code == 1
    assert done.stderr == f"nobody: does not exist in {REGION}\n"
    assert done.stdout.startswith(arn("orders"))


@pytest.mark.usefixtures("clients")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"AWS_REGION": ""}, "there is no region to ask: set AWS_REGION"),
        ({"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}, "credentials"),
        ({"AWS_REGION": "no region"}, "AWS cannot be asked"),
    ],
)
def test_an_environment_without_aws_is_told_in_a_line(
    changes: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong usage, and no traceback."""
    for name, value in changes.items():
        if value:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name)
    done = run("explain", "orders")
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.usefixtures("clients")
def test_an_endpoint_that_is_not_there_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where AWS_ENDPOINT_URL names a port that nobody listens on."""

    def unreachable(*_: object, **__: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://localhost:9")

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", unreachable)
    monkeypatch.setattr("moto.core.models.botocore_stubber.enabled", False)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    done = run("explain", "orders")
    assert done.exit_code == 2
    assert "http://localhost:9" in done.stderr


@pytest.mark.usefixtures("clients")
def test_an_endpoint_that_is_none_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when its scheme was forgotten."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:5050")
    done = run("explain", "orders")
    assert (done.exit_code, done.stderr) == (2, "Error: AWS cannot be asked: Invalid endpoint: localhost:5050\n")


@pytest.mark.usefixtures("clients")
@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("ExpiredTokenException", 2, "Error: AWS refuses to answer: "),
        ("AccessDeniedException", 1, "orders: cannot be read: "),
    ],
)
def test_credentials_that_will_not_do_end_it(
    code: str, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever function is asked about; one that is not theirs to read is named, and the others go on."""

    def refused(_: object, request: AWSPreparedRequest) -> AWSResponse:
        body = BytesIO(b"{}")
        body.stream = lambda: iter([body.read()])  # type: ignore[attr-defined]  # all that botocore asks of it
        return AWSResponse(request.url, 403, HeadersDict({"x-amzn-ErrorType": code}), body)  # type: ignore[arg-type]  # what botocore makes itself

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", refused)
    monkeypatch.setattr("moto.core.models.botocore_stubber.enabled", False)
    done = run("explain", "orders")
    assert (done.exit_code, done.stdout) == (status, "")
    assert done.stderr.startswith(said)
    assert code in done.stderr


# diff

NEW = """
functions: {names: {exclude: [web]}, runtimes: {include: ["java*", "python3.*"]}, tags: {opt_out: {}}}
group: {name: "p-{function_name}"}
tags: {add: {owner: platform}}
lifecycle: {follow_configuration: true}
"""


def test_nothing_changes_between_a_policy_and_itself() -> None:
    """Nor where only the order of globs differs, or a default is spelt out."""
    write("same.yaml", 'functions: {runtimes: {include: ["java*", "python3.*"]}}')
    done = run("diff", "policy.yaml", "same.yaml", "--functions", write("f.json", FILE))
    assert done.exit_code == 0
    assert done.stdout == "No key differs.\n\n0 of 5 functions change hands.\n"


def test_the_functions_that_change_hands_are_told() -> None:
    """And in what: who gains a group, loses it, has it renamed or retagged, or goes without for another reason."""
    write("old.yaml", "functions: {names: {exclude: [plain]}}")
    done = run("diff", "old.yaml", write("new.yaml", NEW), "--functions", write("f.json", FILE), "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert [(each["new"]["function"], each["kinds"]) for each in found["functions"]] == [
        (arn("orders"), ["renamed", "retagged"]),
        (arn("web"), ["reason"]),
        (arn("plain"), ["gains_group"]),
        (arn("batch"), ["gains_group"]),
        (arn("orders", region="us-east-1"), ["renamed", "retagged"]),
    ]
    back = json.loads(run("diff", "new.yaml", "old.yaml", "--functions", "f.json", "--json").stdout)
    assert [each["kinds"] for each in back["functions"]][2:4] == [["loses_group"], ["loses_group"]]


def test_another_key_with_the_same_reason_is_a_change() -> None:
    """Who would have a group for the function has to mend something else."""
    files = write("old.yaml", "functions: {names: {exclude: [plain]}}"), write("new.yaml", "functions: {images: skip}")
    write("f.json", {**configuration("plain"), "Runtime": None, "PackageType": "Image"})
    (found,) = json.loads(run("diff", *files, "--functions", "f.json", "--json").stdout)["functions"]
    assert found["kinds"] == ["reason"]
    assert found["old"]["reason"] == found["new"]["reason"] == "excluded_by_policy"
    assert (found["old"]["rule"], found["new"]["rule"]) == ("functions.names.exclude", "functions.images")


LEFT_OVER = get_function("batch", {"codeguru-profiler": "off"})
OPTED_OUT = "functions: {tags: {opt_out: {codeguru-profiler: off}}}\n"
KEEPS, SPARES, DELETES = (
    f"{OPTED_OUT}lifecycle: {{when_function_is_deleted: {what}, orphan_grace_days: {days}}}"
    for what, days in (("keep", 0), ("delete", 30), ("delete", 0))
)
PROVISIONS = "functions: {tags: {opt_out: {}}}\nlifecycle: {when_function_is_deleted: delete, orphan_grace_days: 0}"


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        (KEEPS, DELETES, ["group_goes"]),
        (KEEPS, SPARES, ["group_goes"]),
        (SPARES, DELETES, ["group_goes"]),
        (DELETES, SPARES, ["group_stays"]),
        (DELETES, KEEPS, ["group_stays"]),
        (PROVISIONS, DELETES, ["loses_group", "group_goes"]),
        (PROVISIONS, KEEPS, ["loses_group"]),
        (DELETES, PROVISIONS, ["gains_group", "group_stays"]),
        (DELETES, f"{DELETES}\ngroup: {{name: 'p-{{function_name}}'}}", ["group_stays", "group_goes"]),
        (DELETES, DELETES.replace("{codeguru-profiler: off}", "{codeguru-*: x, codeguru-profiler: off}"), []),
    ],
)
def test_a_group_that_would_be_deleted_is_told(old: str, new: str, kinds: list[str]) -> None:
    """The change that nobody can take back: the profiles of a function that wants no group, or none any more."""
    files = write("old.yaml", old), write("new.yaml", new)
    found = json.loads(run("diff", *files, "--functions", write("f.json", LEFT_OVER), "--json").stdout)
    assert [kind for each in found["functions"] for kind in each["kinds"]] == kinds


def test_a_person_reads_what_becomes_of_a_group_that_is_left_over() -> None:
    """Alike in what is explained and in what is compared."""
    files = write("keeps.yaml", KEEPS), write("spares.yaml", SPARES), write("deletes.yaml", DELETES)
    write("f.json", LEFT_OVER)
    kept, deleted = "kept", "deleted by a backfill if it was created for this function and no other needs it"
    spared = f"{deleted}, 30 days after its last activity"
    for file, said in zip(files, (kept, spared, deleted), strict=True):
        lines = run("explain", "--functions", "f.json", "--policy", file).stdout.splitlines()
        assert f"  left over  aws-lambda-batch, if there is such a group; {said}" in lines
    goes, stays = (
        run("diff", *pair, "--functions", "f.json").stdout.splitlines()[-1]
        for pair in (files[:2], (files[2], files[0]))
    )
    assert re.split(r"  +", goes)[1:] == ["group_goes", "aws-lambda-batch: kept", f"aws-lambda-batch: {spared}"]
    assert re.split(r"  +", stays)[1:] == ["group_stays", f"aws-lambda-batch: {deleted}", "aws-lambda-batch: kept"]


def test_keys_events_and_permissions_are_compared_without_functions() -> None:
    """What a reviewer sees who has no account at hand."""
    done = run("diff", "policy.yaml", write("new.yaml", NEW), "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert {each["key"]: (each["old"], each["new"]) for each in found["keys"]} == {
        "functions.names.exclude": ([], ["web"]),
        "functions.tags.opt_out.codeguru-profiler": (["off", "false", "no"], None),
        "group.name": ("aws-lambda-{function_name}", "p-{function_name}"),
        "tags.add.managed-by": ("profiling-group-provisioner", None),
        "tags.add.owner": (None, "platform"),
        "lifecycle.follow_configuration": (False, True),
    }
    assert found["events"] == {"lost": [], "gained": ["UpdateFunctionConfiguration20150331v2"]}
    for which, groups in (("gained", "p-*"), ("lost", "aws-lambda-*")):
        tagging = {"action": "codeguru-profiler:TagResource", "resource": f"profilingGroup/{groups}"}
        assert tagging in found["permissions"][which]
    assert found["functions"] is None


def test_all_functions_of_the_account_are_compared(account: Account) -> None:
    """With their tags, which a list of functions does not tell; of more than one page."""
    for number in range(60):
        account.function(f"worker-{number}", tags={"tier": "gold"} if number == 55 else {})
    write("gold.yaml", "functions: {tags: {require: {tier: gold}}}")
    done = run("diff", "policy.yaml", "gold.yaml", "--account", "--json")
    assert done.exit_code == 1
    changed = [each["old"]["function"] for each in json.loads(done.stdout)["functions"]]
    assert len(changed) == 59
    assert arn("worker-55") not in changed


def test_a_person_reads_old_beside_new() -> None:
    """A line for each thing that changes."""
    write("new.yaml", "group: {grant_agent: true}\nfunctions: {names: {exclude: [plain]}}")
    lines = run("diff", "policy.yaml", "new.yaml", "--functions", write("f.json", FILE[:2])).stdout.splitlines()
    assert [line.split() for line in lines if line.startswith(("functions.", "gained"))] == [
        ["functions.names.exclude", "[]", '["plain"]'],
        ["gained", "codeguru-profiler:GetPolicy", "profilingGroup/aws-lambda-*"],
        ["gained", "codeguru-profiler:PutPermission", "profilingGroup/aws-lambda-*"],
    ]
    assert [line.split() for line in lines[-2:]] == [
        [arn("orders"), "agent", f"arn:aws:iam::{ACCOUNT}:role/orders"],
        [arn("plain"), "loses_group", "aws-lambda-plain", "excluded_by_policy", "(functions.names.exclude)"],
    ]
    assert "2 of 3 functions change hands." in lines


# All of them


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate", "nowhere.yaml"], "does not exist"),
        (["explain"], "name a FUNCTION"),
        (["explain", "x", "--policy", "nowhere.yaml"], "does not exist"),
        (["explain", "--functions", "text.json"], "is no JSON"),
        (["explain", "x", "--policy", "bad.yaml"], "bad.yaml:1: colour: is not known"),
        (["diff", "policy.yaml"], "Missing argument 'NEW'"),
        (["diff", "policy.yaml", "bad.yaml"], "bad.yaml:1: colour: is not known"),
        (["diff", "policy.yaml", "policy.yaml", "--account", "--functions", "text.json"], "not both"),
        (["paint"], "No such command"),
    ],
)
def test_wrong_usage_is_told_and_does_nothing(arguments: list[str], said: str) -> None:
    """Exit status 2, and nothing on standard output."""
    write("bad.yaml", "colour: red")
    write("text.json", "no JSON")
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


class _Interrupted(BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if size == 0:
            # Asked to see whether it is text or bytes that come.
            return b""
        raise KeyboardInterrupt


def test_an_interrupt_ends_it_without_a_word() -> None:
    """With the status that a shell expects."""
    done = run("explain", "--functions", "-", stdin=_Interrupted())
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "")


@pytest.fixture
def long_answer(tmp_path: Path) -> list[str]:
    """A command, as it is run from a shell, whose answer no pipe holds."""
    write("many.json", [get_function(f"worker-{number}", {}) for number in range(2000)])
    files = ["--functions", str(tmp_path / "many.json"), "--policy", str(tmp_path / "policy.yaml")]
    return [sys.executable, "-m", "ops", "policy", "explain", *files]


def test_nobody_reads_on_and_it_ends_without_a_word(long_answer: list[str]) -> None:
    """As before `| head -1`."""
    with subprocess.Popen(long_answer, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == f"{arn('worker-0')}\n".encode()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_is_told_in_a_line(long_answer: list[str]) -> None:
    """And no traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(long_answer, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "Error: [Errno 28] No space left on device\n")


def test_the_version_is_told() -> None:
    """That of the package."""
    done = CliRunner().invoke(commands, ["--version"])
    assert done.stdout == f"profiling-groups, version {version('profiling-group-provisioner')}\n"
