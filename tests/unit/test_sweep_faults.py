"""A sweep while AWS is out of order, or the way there: no function is lost, or counted twice; failures are named."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from embedded_aws.moto_services.codeguruprofiler.models import ComputePlatform, codeguruprofiler_backends
from profiling_groups import workers
from profiling_groups.inventory import InventoryError
from profiling_groups.outcomes import Action, Reason
from profiling_groups.policy import Lifecycle, Policy, WhenDeleted
from tests.unit.account import ACCOUNT, REGION
from tests.unit.marks import adopted_for, created_for
from tests.unit.sweeping import Swept, holds_together

if TYPE_CHECKING:
    from tests.unit.account import Account, Answer
    from tests.unit.sweeping import Sweeper

URL = "https://somewhere.eu-west-1.amazonaws.com"
AT_ONCE = Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0))
BILLING = {"team": "billing"}
QUOTA = 700

# The functions of a small account, by their tags, and the tags of the groups that there are before.
FUNCTIONS = {
    "agents": BILLING,
    "drifted": BILLING,
    "kept": BILLING,
    "new": BILLING,
    "newer": BILLING,
    "node": {},
    "out": {"codeguru-profiler": "off"},
    "terraforms": BILLING,
}
INFRA = {"team": "infra"}
BEFORE = {
    "agents": {},
    "drifted": created_for("drifted"),
    "kept": created_for("kept", **BILLING),
    "out": created_for("out"),
    "gone": created_for("gone"),
    "terraforms": INFRA,
}
CALM = {
    "agents": "updated",
    "drifted": "updated",
    "kept": "exists",
    "new": "created",
    "newer": "created",
    "node": "skipped unsupported_runtime",
    "out": "deleted opted_out",
    "gone": "deleted function_gone",
    "terraforms": "exists owned_elsewhere",
}
AFTER = {
    "aws-lambda-agents": adopted_for("agents", **BILLING),
    "aws-lambda-terraforms": INFRA,
    **{f"aws-lambda-{name}": created_for(name, **BILLING) for name in ("drifted", "kept", "new", "newer")},
}

FAULTS: tuple[tuple[Answer, Reason, str], ...] = (
    ((429, "ThrottlingException"), Reason.THROTTLED, "ThrottlingException"),
    ((500, "InternalServerException"), Reason.SERVICE_ERROR, "InternalServerException"),
    (ConnectionClosedError(endpoint_url=URL), Reason.SERVICE_ERROR, "ConnectionClosedError"),
    (ReadTimeoutError(endpoint_url=URL), Reason.SERVICE_ERROR, "ReadTimeoutError"),
    ((403, "AccessDeniedException"), Reason.ACCESS_DENIED, "AccessDeniedException"),
    # Another JSON document than the API's, as a proxy may send it.
    ((200, "Proxy"), Reason.SERVICE_ERROR, "UnreadableAnswerError"),
)
DENIED, UNREADABLE = FAULTS[-2][0], FAULTS[-1][0]
ANSWERS = (DENIED, UNREADABLE)
"""What the SDK does not try again."""
OUT_OF_ORDER = (500, "InternalServerException")

IN_BULK = ("GetResources", "ListProfilingGroups", "GetServiceQuota")
# Whose outcome hangs on a call of the operation.
FOR_ONE = {
    "GetFunctionConfiguration": {"out", "gone"},
    "ListTags": {"agents", "drifted", "new", "newer", "out"},
    "CreateProfilingGroup": {"new", "newer"},
    "DescribeProfilingGroup": {"agents", "drifted", "out", "gone"},
    "ListTagsForResource": {"agents"},
    "TagResource": {"agents", "drifted"},
    "DeleteProfilingGroup": {"out", "gone"},
}
ELIGIBLE = {"agents", "drifted", "kept", "new", "newer", "terraforms"}


def populate(account: Account) -> None:
    """Create the functions."""
    for name, tags in FUNCTIONS.items():
        account.function(name, tags=tags, runtime="nodejs22.x" if name == "node" else "python3.13")


def prepare(account: Account) -> None:
    """Let the account be as before the sweep."""
    account.recover()
    backend = codeguruprofiler_backends[ACCOUNT][REGION]
    backend.reset()
    backend.quota = QUOTA
    for name, tags in BEFORE.items():
        backend.create_profiling_group(
            f"aws-lambda-{name}", compute_platform=ComputePlatform.AWS_LAMBDA, profiling_enabled=True, tags=tags
        )


def heals(sweeper: Sweeper) -> None:
    """Assert that one sweep of an account in order leaves it as it should be."""
    sweeper.account.recover()
    swept = sweeper.sweep(AT_ONCE)
    assert Action.FAILED not in swept.run.counts
    assert sweeper.groups() == AFTER


def test_in_calm_all_operations_are_called(sweeper: Sweeper) -> None:
    """What is said below about each of them is about something."""
    populate(sweeper.account)
    prepare(sweeper.account)
    swept = sweeper.sweep(AT_ONCE)
    assert swept.words() == CALM
    assert swept.sent.keys() == {"ListFunctions", *IN_BULK, *FOR_ONE}
    assert sweeper.groups() == AFTER


@pytest.mark.parametrize("operation", FOR_ONE)
class TestAFaultOfACallAboutOneFunction:
    """It is that function's, and no other's."""

    def test_for_good_is_its_failure(self, sweeper: Sweeper, operation: str) -> None:
        """With its reason and AWS's code; all others have their outcomes, and the next sweep leaves nothing over."""
        populate(sweeper.account)
        for fault, reason, code in FAULTS:
            prepare(sweeper.account)
            sweeper.account.fail(operation, fault)
            swept = sweeper.sweep(AT_ONCE)
            holds_together(swept, functions=len(FUNCTIONS), leftovers=1)
            assert swept.words() == CALM | dict.fromkeys(FOR_ONE[operation], f"failed {reason}"), code
            assert swept.run.totals is not None
            assert swept.run.totals.eligible == len(ELIGIBLE)
            assert swept.run.totals.covered == len(ELIGIBLE - FOR_ONE[operation])
            assert {each.error_code for each in swept.outcomes if each.action is Action.FAILED} == {code}
            heals(sweeper)

    def test_once_passes_unless_it_is_an_answer(self, sweeper: Sweeper, operation: str) -> None:
        """The call is sent again; where the first was carried out, the group is found to be there."""
        populate(sweeper.account)
        for fault, reason, code in FAULTS:
            prepare(sweeper.account)
            sweeper.account.fail(operation, fault, None)
            swept = sweeper.sweep(AT_ONCE)
            holds_together(swept, functions=len(FUNCTIONS), leftovers=1)
            words = swept.words()
            if operation == "CreateProfilingGroup" and isinstance(fault, ReadTimeoutError):
                assert {words["new"], words["newer"]} == {"created", "exists"}
                words |= {"new": "created", "newer": "created"}
            failed = {name for name, word in words.items() if word == f"failed {reason}"}
            assert words == CALM | dict.fromkeys(failed, f"failed {reason}"), code
            if fault in ANSWERS:
                assert len(failed) == 1
                assert failed <= FOR_ONE[operation]
                heals(sweeper)
            else:
                assert not failed
                assert sweeper.groups() == AFTER


@pytest.mark.parametrize("operation", IN_BULK)
@pytest.mark.parametrize("once", [True, False], ids=["once", "for good"])
def test_what_cannot_be_read_in_bulk_fails_no_function(sweeper: Sweeper, operation: str, *, once: bool) -> None:
    """There is another way to know it, at the price of more calls, and a warning says so; but groups stay."""
    populate(sweeper.account)
    for fault, _, code in FAULTS:
        prepare(sweeper.account)
        sweeper.account.fail(operation, *([fault, None] if once else [fault]))
        swept = sweeper.sweep(AT_ONCE)
        unread = not once or fault in ANSWERS
        without_groups = unread and operation == "ListProfilingGroups"
        holds_together(swept, functions=len(FUNCTIONS), leftovers=0 if without_groups else 1)
        # A group that no function needs is seen in the list of all groups, or not at all.
        expected = CALM | ({"out": "skipped opted_out"} if without_groups else {})
        assert swept.words() == {name: word for name, word in expected.items() if name != "gone" or not without_groups}
        spared = {f"aws-lambda-{name}": created_for(name) for name in ("gone", "out")} if without_groups else {}
        assert sweeper.groups() == AFTER | spared
        totals = swept.run.totals
        assert totals is not None
        if unread:
            (warning,) = swept.warnings
            assert code in warning or operation == "GetServiceQuota"
            assert totals.groups == (None if without_groups else len(AFTER))
            assert totals.quota == (500 if operation == "GetServiceQuota" else QUOTA)
        else:
            assert (swept.warnings, totals.groups, totals.quota) == ([], len(AFTER), QUOTA)


def test_without_the_functions_there_is_no_sweep(sweeper: Sweeper) -> None:
    """The error says why; nothing has been written."""
    populate(sweeper.account)
    for fault, reason, code in FAULTS:
        prepare(sweeper.account)
        before = sweeper.groups()
        sweeper.account.fail("ListFunctions", fault)
        with pytest.raises(InventoryError, match=f"{reason}: .*{code}"):
            sweeper.sweep(AT_ONCE)
        assert sweeper.groups() == before
        sweeper.account.fail("ListFunctions", fault, None)
        if fault not in ANSWERS:
            assert sweeper.sweep(AT_ONCE).words() == CALM


# A creation whose answer is lost, and that is found to be there when it is sent again, may be somebody else's.
NAMED = {(reason, code) for _, reason, code in FAULTS} | {(Reason.CONCURRENT_CHANGE, None)}


def random_faults(random: Random) -> dict[str, list[Answer]]:
    """Return what becomes of the calls of a few operations, each either for good or for a while."""
    found: dict[str, list[Answer]] = {}
    for operation in random.sample(["ListFunctions", *IN_BULK, *FOR_ONE], random.randint(1, 4)):
        answers: list[Answer] = [random.choice([None, *(fault for fault, _, _ in FAULTS)]) for _ in range(6)]
        found[operation] = [*answers[: random.randint(1, 6)], *([None] if random.random() < 0.7 else [])]
    return found


def sweep_through(sweeper: Sweeper, *, most_new: int) -> list[Swept] | str:
    """Sweep as the state machine does: from cursor to cursor, and again where there is no inventory; else the error."""
    runs: list[Swept] = []
    tries = 0
    while not runs or runs[-1].run.cursor:
        assert len(runs) < len(CALM)
        try:
            runs.append(sweeper.sweep(AT_ONCE, most_new=most_new, cursor=runs[-1].run.cursor if runs else None))
        except InventoryError as error:
            tries += 1
            if tries == 3:
                return str(error)
    return runs


@pytest.mark.parametrize("seed", range(0, 36, 12))
def test_whatever_fails_at_random_each_function_has_one_outcome(sweeper: Sweeper, seed: int) -> None:
    """Twelve times in each test: what has not failed is right, and what has names one of the errors."""
    account = sweeper.account
    populate(account)
    for each in range(seed, seed + 12):
        random = Random(each)  # noqa: S311 - the same each time is the point
        prepare(account)
        faults = random_faults(random)
        for operation, answers in faults.items():
            account.fail(operation, *answers)
        most_new = random.choice([2, *[100] * 7])
        runs = sweep_through(sweeper, most_new=most_new)
        about = f"seed {each}, {most_new} at once: {faults}"
        if isinstance(runs, str):
            assert any(code in runs for _, _, code in FAULTS), about
            assert "ListFunctions" in faults, about
            continue
        outcomes = [outcome for swept in runs for outcome in swept.outcomes]
        named = Counter(outcome.function for outcome in outcomes)
        assert set(named.values()) == {1}, about
        told = Swept(outcomes=outcomes).words()
        assert FUNCTIONS.keys() <= told.keys() <= CALM.keys(), about
        last = runs[-1].run.totals
        assert last is not None
        assert sum(last.counts.values()) == len(outcomes), about
        groups = sweeper.groups()
        for outcome in outcomes:
            if outcome.action is Action.FAILED:
                assert (outcome.reason, outcome.error_code) in NAMED, about
            elif outcome.group:
                assert groups.get(outcome.group) == AFTER.get(outcome.group), f"{about}: {outcome}"
        if each % 6 == 0:
            heals(sweeper)


@pytest.mark.parametrize(("threads", "most_sent"), [(1, 3), (16, 2 + 16)])
def test_a_full_account_is_told_once(
    sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch, threads: int, most_sent: int
) -> None:
    """After the first refusal nothing more is sent but what is on its way; all else is done as ever."""
    monkeypatch.setattr(workers, "THREADS", threads)
    account = sweeper.account
    for number in range(40):
        account.function(f"new-{number:02}")
    for name in ("drifted", "kept", "very-late"):
        account.function(name, tags=BILLING)
        account.make_group(f"aws-lambda-{name}", tags=created_for(name, **(BILLING if name == "kept" else {})))
    codeguruprofiler_backends[ACCOUNT][REGION].quota = 5
    swept = sweeper.sweep()
    holds_together(swept, functions=43)
    words = swept.words()
    assert (words["drifted"], words["kept"], words["very-late"]) == ("updated", "exists", "updated")
    assert Counter(words.values()) == {"created": 2, "failed quota_exceeded": 38, "updated": 2, "exists": 1}
    assert 3 <= swept.sent["CreateProfilingGroup"] <= most_sent
    # Two for each that has drifted.
    assert swept.sent["ListTags"] <= 2 * 2 + most_sent
    failed = [each for each in swept.outcomes if each.action is Action.FAILED]
    assert {each.error_code for each in failed} == {"ServiceQuotaExceededException"}
    assert all("L-DA8D4E8D" in (each.detail or "") for each in failed)
    codeguruprofiler_backends[ACCOUNT][REGION].quota = 50
    assert Counter(sweeper.sweep().words().values()) == {"created": 38, "exists": 5}


def test_in_hard_times_only_one_in_so_many_is_tried(sweeper: Sweeper) -> None:
    """The rest say that they were not, and why; what takes no call is right."""
    account = sweeper.account
    for number in range(100):
        account.function(f"new-{number:02}")
    account.function("zealous")
    account.make_group("aws-lambda-zealous", tags=created_for("zealous"))
    account.fail("CreateProfilingGroup", OUT_OF_ORDER)
    swept = sweeper.sweep()
    holds_together(swept, functions=101)
    assert Counter(swept.words().values()) == {"failed service_error": 100, "exists": 1}
    tried = [each for each in swept.outcomes if "not tried" not in (each.detail or "") and each.action is Action.FAILED]
    # 20 in a row and those on their way by then; then the 21st and the 62nd of the rest.
    assert 22 <= len(tried) <= 20 + 16 + 2
    assert {each.error_code for each in swept.outcomes if each.action is Action.FAILED} == {"InternalServerException"}


def test_what_is_denied_to_some_is_not_taken_for_all(sweeper: Sweeper) -> None:
    """A name that a team's permissions do not reach says nothing of the next team's."""
    account = sweeper.account
    for number in range(30):
        account.function(f"new-{number:02}")
    account.fail("CreateProfilingGroup", *[DENIED] * 25, None)
    swept = sweeper.sweep()
    assert Counter(swept.words().values()) == {"failed access_denied": 25, "created": 5}


@pytest.mark.parametrize(
    "breather",
    [pytest.param(None, id="one passes now and then"), pytest.param((400, "ValidationException"), id="nothing passes")],
)
def test_what_fails_for_its_own_reason_does_not_keep_others_from_being_tried(
    sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch, breather: Answer
) -> None:
    """Nineteen refusals and one success are no reason to give up; nor are forty tags that AWS does not like."""
    monkeypatch.setattr(workers, "THREADS", 1)
    for number in range(40):
        sweeper.account.function(f"new-{number:02}")
    answers: list[Answer] = [*[DENIED] * 19, None] * 2 if breather is None else [breather]
    sweeper.account.fail("CreateProfilingGroup", *answers)
    swept = sweeper.sweep()
    assert swept.sent["CreateProfilingGroup"] == 40
    holds_together(swept, functions=40)


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        ((500, "InternalServerException"), 4),
        ((503, "ServiceUnavailableException"), 4),
        (ConnectionClosedError(endpoint_url=URL), 4),
        (ReadTimeoutError(endpoint_url=URL), 4),
        ((400, "ValidationException"), 1),
        ((402, "ServiceQuotaExceededException"), 1),
        (DENIED, 1),
    ],
    ids=str,
)
def test_what_can_pass_is_tried_four_times_and_a_refusal_once(sweeper: Sweeper, fault: Answer, tries: int) -> None:
    """Whatever the SDK would do: the model marks the quota's error as one to try again."""
    sweeper.account.function()
    sweeper.account.fail("CreateProfilingGroup", fault)
    swept = sweeper.sweep()
    assert (swept.sent["CreateProfilingGroup"], swept.run.counts) == (tries, {Action.FAILED: 1})


def test_what_is_turned_away_for_being_too_much_is_sent_until_it_passes(sweeper: Sweeper) -> None:
    """Ten times over, if the service lets others through meanwhile, or has not been asked for half a minute."""
    for name in ("a", "b", "c"):
        sweeper.account.function(name)
    sweeper.account.fail("CreateProfilingGroup", *[(429, "ThrottlingException")] * 10, None)
    assert set(sweeper.sweep().words().values()) == {"created"}
