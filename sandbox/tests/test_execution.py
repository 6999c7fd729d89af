"""Functions run for real: processes of their own, under awslambdaric."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from embedded_aws.execution import runtime_client_shim
from embedded_aws.execution.executor import ExecutorClosedError, InvocationResult, ThrottledError
from embedded_aws.execution.runtime_api import RuntimeApi, RuntimeGoneError
from lambda_functions import (
    ENDPOINT,
    REGION,
    Account,
    Denials,
    executor_for,
    is_alive,
)
from waiting import LIMIT_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto.awslambda.models import LambdaFunction

    from embedded_aws.execution.executor import Executor

PID = "import os\ndef handler(event, context):\n    return os.getpid()\n"

# Runs until the file that the event names exists.
HELD = """
import os, pathlib, time
def handler(event, context):
    pathlib.Path(event["running"]).write_text(str(os.getpid()))
    while not pathlib.Path(event["go"]).exists():
        time.sleep(0.005)
    return os.getpid()
"""


@pytest.fixture(scope="module")
def denials() -> Denials:
    """What the execution roles may not do."""
    return Denials()


@pytest.fixture(scope="module")
def native_executor(denials: Denials) -> Iterator[Executor]:
    """An executor with awslambdaric as it is installed here."""
    with executor_for(denials) as executor:
        yield executor


@pytest.fixture(scope="module")
def shim_executor(denials: Denials) -> Iterator[Executor]:
    """An executor with awslambdaric as it is on a platform without its native module."""
    with executor_for(denials, native=False) as executor:
        yield executor


@pytest.fixture
def account(native_executor: Executor, denials: Denials) -> Account:
    """An account of the test's own."""
    denials.denied.clear()
    denials.asked.clear()
    return Account(native_executor, denials.denied)


@pytest.fixture(params=["native_executor", "shim_executor"])
def either(request: pytest.FixtureRequest, denials: Denials) -> Account:
    """An account whose functions run with the native runtime_client, or with the shim."""
    denials.denied.clear()
    denials.asked.clear()
    return Account(request.getfixturevalue(request.param), denials.denied)


def run(account: Account, function: LambdaFunction, event: object = None) -> InvocationResult:
    """Invoke a function."""
    return account.executor.invoke(function, json.dumps(event or {}).encode())


def value(result: InvocationResult) -> Any:  # noqa: ANN401 (whatever the handler returned)
    """What a handler returned, where it did not fail."""
    assert result.function_error is None, result.payload
    return json.loads(result.payload)


def error(result: InvocationResult) -> tuple[str, str]:
    """Type and message of an invocation's error."""
    assert result.function_error == "Unhandled", result.payload
    document = json.loads(result.payload)
    return document["errorType"], document["errorMessage"]


# -- what a function sees ----------------------------------------------------------------------------------------------


def test_the_handler_gets_event_and_context(either: Account) -> None:
    """The event arrives as it was sent, and the context knows function, request, log and the time left."""
    function = either.function(
        """
def handler(event, context):
    return {
        "event": event,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "request": context.aws_request_id,
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "left": context.get_remaining_time_in_millis(),
    }
""",
        MemorySize=256,
        Timeout=900,
    )

    result = run(either, function, {"name": "Zoë", "n": [1, None]})

    seen = value(result)
    assert 300_000 < seen.pop("left") <= 900_000
    assert seen == {
        "event": {"name": "Zoë", "n": [1, None]},
        "name": "checkout",
        "version": "$LATEST",
        "arn": f"arn:aws:lambda:{REGION}:{either.id}:function:checkout",
        "memory": "256",
        "request": result.request_id,
        "group": "/aws/lambda/checkout",
        "stream": next(iter(either.log())),
    }


def test_nothing_of_the_sandbox_leaks_into_a_function(either: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is the deployed one and Lambda's own, to the last name; the modules are the function's."""
    monkeypatch.setenv("AWS_PROFILE", "the-developers-own")
    monkeypatch.setenv("PYTHONPATH", "/the/developers/own")
    function = either.function(
        """
import os, sys
def handler(event, context):
    return {"env": dict(os.environ), "cwd": os.getcwd(), "path": sys.path[0], "aws": os.path.expanduser("~/.aws"),
            "sandbox": any("sandbox" in module for module in sys.modules)}
""",
        Environment={"Variables": {"LEVEL": "debug", "AWS_REGION": "not-for-the-function-to-set"}},
    )

    seen = value(run(either, function))

    names = set(seen["env"]) - {"PATH", "LANG", "TMPDIR", "LC_CTYPE"}  # Python itself may set LC_CTYPE
    assert names == {
        "LEVEL",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "HOME",
        "LAMBDA_TASK_ROOT",
        "TZ",
    }
    assert seen["env"]["AWS_REGION"] == REGION
    assert seen["env"]["AWS_ENDPOINT_URL"] == ENDPOINT
    assert seen["env"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.14"
    assert seen["env"]["AWS_ACCESS_KEY_ID"] == f"arn:aws:iam::{either.id}:role/provisioner/checkout"
    assert seen["cwd"] == seen["path"] == seen["env"]["LAMBDA_TASK_ROOT"]
    assert not Path(seen["aws"]).exists()
    assert not seen["sandbox"]


def test_the_code_is_read_only(account: Account) -> None:
    """A function cannot change its own code, and importing it leaves no bytecode behind."""
    function = account.function(
        "import os\ndef handler(event, context):\n    return os.listdir('.'), [oct(os.stat('app.py').st_mode)[-3:]]\n"
    )

    assert value(run(account, function)) == [["app.py"], ["444"]]


# -- warm and cold -----------------------------------------------------------------------------------------------------


def test_a_warm_process_is_used_again(either: Account) -> None:
    """State in the module survives from one invocation to the next, and only the first one pays for the start."""
    function = either.function("n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n\n")

    results = [run(either, function) for _ in range(3)]

    assert [value(result) for result in results] == [1, 2, 3]
    assert [result.init_duration is None for result in results] == [False, True, True]
    assert len(either.log()) == 1


@pytest.mark.parametrize("change", ["code", "configuration", "replacement"])
def test_a_changed_function_starts_cold(account: Account, change: str) -> None:
    """New code, new configuration, or a new function of the same name never runs in an old process."""
    function = account.function(PID, Environment={"Variables": {"LEVEL": "info"}})
    former = value(run(account, function))

    match change:
        case "code":
            function.update_function_code({"ZipFile": account.function(f"# new\n{PID}", "other").code["ZipFile"]})
        case "configuration":
            function.update_configuration({"Environment": {"Variables": {"LEVEL": "debug"}}})
        case "replacement":
            function = account.function(PID, Environment={"Variables": {"LEVEL": "info"}})

    assert value(run(account, function)) != former
    until(lambda: not is_alive(former))


def test_a_deleted_functions_processes_end(account: Account) -> None:
    """Retiring a function ends its idle processes."""
    function = account.function(PID)
    pid = value(run(account, function))

    account.executor.retire(function.function_arn)

    assert not is_alive(pid)


def test_a_process_that_ends_after_its_answer_is_replaced(account: Account, tmp_path: Path) -> None:
    """The invocation after such an end is served by a new process, not failed."""
    function = account.function(
        "import os, pathlib, threading, time\n"
        "def leave(when):\n"
        "    while not pathlib.Path(when).exists():\n"
        "        time.sleep(0.005)\n"
        "    os._exit(7)\n"
        "def handler(event, context):\n"
        "    if event:\n"
        "        threading.Thread(target=leave, args=[event]).start()\n"
        "    return os.getpid()\n"
    )
    first = value(run(account, function, str(tmp_path / "leave")))
    (tmp_path / "leave").touch()
    until(lambda: not is_alive(first))

    assert value(run(account, function)) != first


def test_concurrent_invocations_get_a_process_each_up_to_the_reserved_concurrency(
    account: Account, tmp_path: Path
) -> None:
    """A third invocation beside two of two is throttled; afterwards there is room again."""
    function = account.function(HELD, Timeout=900, ReservedConcurrentExecutions=2)
    go = tmp_path / "go"

    def event(number: int) -> dict[str, str]:
        return {"running": str(tmp_path / f"running-{number}"), "go": str(go)}

    with ThreadPoolExecutor(2) as threads:
        held = [threads.submit(run, account, function, event(number)) for number in range(2)]
        until(lambda: len(list(tmp_path.glob("running-*"))) == 2)
        with pytest.raises(ThrottledError) as throttled:
            run(account, function, event(2))
        go.touch()
        pids = {value(future.result()) for future in held}

    assert throttled.value.reserved == 2
    assert len(pids) == 2
    assert value(run(account, function, event(3))) in pids


def test_zero_reserved_concurrency_stops_a_function(account: Account) -> None:
    """With none reserved, nothing runs."""
    function = account.function(PID, ReservedConcurrentExecutions=0)

    with pytest.raises(ThrottledError):
        run(account, function)


# -- failures ----------------------------------------------------------------------------------------------------------

FAILURES = {
    "the handler raises": (
        "def handler(event, context):\n    raise LookupError('no such group')\n",
        "LookupError",
        "no such group",
    ),
    "the result is no JSON": (
        "def handler(event, context):\n    return {1, 2}\n",
        "Runtime.MarshalError",
        "Unable to marshal response",
    ),
    "the module cannot be imported": (
        "import nosuchmodule\n",
        "Runtime.ImportModuleError",
        "Unable to import module 'app': No module named 'nosuchmodule'",
    ),
    "the module is no Python": ("def handler(:\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
    "the module raises": ("raise LookupError('at import')\n", "LookupError", "at import"),
    "there is no such handler": (
        "def other(event, context): ...\n",
        "Runtime.HandlerNotFound",
        "Handler 'handler' missing on module 'app'",
    ),
    "the process exits": (
        "import os\ndef handler(event, context):\n    os._exit(3)\n",
        "Runtime.ExitError",
        "Error: Runtime exited with error: exit status 3",
    ),
    "the process exits cleanly while it starts": (
        "import os\nos._exit(0)\n",
        "Runtime.ExitError",
        "Error: Runtime exited without providing a reason",
    ),
    "the process is killed": (
        "import os\ndef handler(event, context):\n    os.kill(os.getpid(), 9)\n",
        "Runtime.ExitError",
        "Error: Runtime exited with error: signal: killed",
    ),
    "the result is too large": (
        "def handler(event, context):\n    return 'x' * (6291556 - 1)\n",
        "Function.ResponseSizeTooLarge",
        "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    ),
}


@pytest.mark.parametrize(("source", "error_type", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failure_ends_in_lambdas_error_document(either: Account, source: str, error_type: str, message: str) -> None:
    """Type and message say what went wrong, in the result as in the log, and the next invocation fares alike."""
    function = either.function(source)

    for _ in range(2):
        result = run(either, function)
        seen_type, seen_message = error(result)
        assert seen_type == error_type
        assert message in seen_message
        assert f"Error Type: {error_type}" in result.log


def test_the_largest_result_passes(either: Account) -> None:
    """Lambda takes a response of 6,291,556 bytes."""
    function = either.function("def handler(event, context):\n    return 'x' * (6291556 - 2)\n")

    assert len(run(either, function).payload) == 6291556
    assert value(run(either, function)).startswith("xxx")


def test_a_function_that_takes_too_long_is_killed(either: Account, tmp_path: Path) -> None:
    """The error is Lambda's time-out, the process is gone, and the next invocation starts cold."""
    started = tmp_path / "started"
    # That it has run does not depend on the second that its handler gets.
    leave_pid = f"import os, pathlib\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n"
    function = either.function(leave_pid + HELD, Timeout=1)
    running, go = tmp_path / "running", tmp_path / "go"
    event = {"running": str(running), "go": str(go)}

    result = run(either, function, event)

    assert error(result) == (
        "Sandbox.Timedout",
        f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds",
    )
    assert "Task timed out after 1.00 seconds" in result.log
    assert not is_alive(int(started.read_text()))
    go.touch()
    assert run(either, function, event).init_duration is not None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"Runtime": "nodejs22.x", "Handler": "index.handler"}, "not nodejs22.x"),
        (
            {"Runtime": None, "PackageType": "Image", "Code": {"ImageUri": "1.dkr.ecr.eu-west-1.amazonaws.com/a:b"}},
            "image",
        ),
        ({"Code": {"ZipFile": "bm8gemlw"}}, "no zip archive"),
    ],
    ids=["node", "image", "no zip"],
)
def test_what_the_sandbox_cannot_run_says_so(account: Account, spec: dict[str, Any], reason: str) -> None:
    """The error names the function and why it cannot be run."""
    function = account.function(PID, **spec)

    error_type, message = error(run(account, function))

    assert error_type == "Sandbox.UnsupportedFunction"
    assert function.function_arn in message
    assert reason in message


# -- what Lambda writes down -------------------------------------------------------------------------------------------


def test_the_log_holds_the_functions_output_between_lambdas_lines(either: Account) -> None:
    """Prints, log records and lines without an end come out in order; a traceback stays one event."""
    function = either.function(
        """
import logging, sys
print("while starting")
def handler(event, context):
    print("one\\ntwo")
    logging.getLogger().warning("three")
    print("four", file=sys.stderr)
    print("five", end="")
    if event: raise LookupError("six")
"""
    )

    result = run(either, function)
    again = run(either, function, {"fail": True})

    (stream,) = either.log().values()
    request = result.request_id
    first = next(n for n, line in enumerate(stream) if line.startswith(f"START RequestId: {again.request_id}"))
    lines = stream[:first]
    assert lines[0] == f"INIT_START Runtime Version: {either.executor.runtime_description}"
    assert lines[1:5] == ["while starting", f"START RequestId: {request} Version: $LATEST", "one", "two"]
    assert lines[5].startswith("[WARNING]\t")
    assert lines[5].endswith(f"Z\t{request}\tthree")
    assert lines[6:9] == ["four", "five", f"END RequestId: {request}"]
    assert lines[9].startswith(f"REPORT RequestId: {request}\tDuration: ")
    assert "\tMemory Size: 128 MB\tMax Memory Used: " in lines[9]
    assert "\tInit Duration: " in lines[9]
    assert len(lines) == 10
    (traceback,) = (line for line in stream[first:] if "LookupError" in line and "Traceback" in line)
    assert traceback.startswith("five[ERROR] LookupError: six\nTraceback (most recent call last):\n")
    assert "".join(line + "\n" for line in stream[first:]) == again.log


def test_the_role_decides_what_is_logged(account: Account, denials: Denials) -> None:
    """Group, stream and events are each written only as far as the role allows, and nothing fails for want of it."""
    function = account.function("def handler(event, context):\n    print('hello')\n")
    arn = f"arn:aws:logs:{REGION}:{account.id}:log-group:/aws/lambda/checkout:log-stream:"

    account.denied |= {"logs:CreateLogGroup"}
    assert run(account, function).function_error is None
    assert "hello" in run(account, function).log
    assert account.log() == {}
    account.denied.clear()
    account.denied |= {"logs:CreateLogStream"}
    run(account, function)
    assert account.log() == {}
    account.denied.clear()
    account.denied |= {"logs:PutLogEvents"}
    run(account, function)
    assert list(account.log().values()) == [[]]
    account.denied.clear()
    run(account, function)
    ((stream, lines),) = account.log().items()
    assert "hello" in lines
    assert {(session, resource) for session, _, resource in denials.asked} == {
        ("checkout", arn),
        ("checkout", arn + stream),
    }


def test_logging_config_names_the_group_and_the_format(either: Account) -> None:
    """With LogFormat JSON, Lambda's own lines are JSON records, and the runtime is told to do likewise."""
    function = either.function(
        "import logging\n"
        "def handler(event, context):\n"
        "    logging.getLogger().info('kept')\n"
        "    logging.getLogger().debug('dropped')\n",
        LoggingConfig={"LogGroup": "/platform/all", "LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
    )

    result = run(either, function)

    (stream,) = either.log("/platform/all").values()
    records = [json.loads(line) for line in stream if line.startswith("{")]
    assert [record["type"] for record in records if "type" in record] == [
        "platform.initStart",
        "platform.start",
        "platform.report",
    ]
    assert records[-1]["record"]["requestId"] == result.request_id
    assert records[-1]["record"]["metrics"]["memorySizeMB"] == 128
    (own,) = (record for record in records if "type" not in record)
    assert (own["level"], own["message"], own["requestId"]) == ("INFO", "kept", result.request_id)


def test_a_flood_of_output_is_cut(account: Account) -> None:
    """Output beyond the limit is dropped, and the log says so; the next invocation logs normally."""
    function = account.function(
        "def handler(event, context):\n    for _ in range(event.get('lines', 1)):\n        print('x' * 1023)\n"
    )

    cut = run(account, function, {"lines": 9 * 1024})
    normal = run(account, function)

    assert len(cut.log) < 8.1 * 1024 * 1024
    assert f"[sandbox] output beyond 8388608 bytes was dropped, of {9 * 1024 * 1024} in all" in cut.log
    assert "dropped" not in normal.log


# -- the end -----------------------------------------------------------------------------------------------------------


def test_closing_ends_every_process(tmp_path: Path) -> None:
    """Idle processes, busy ones and what they have started are gone; invocations fail or are refused from then on."""
    denials = Denials()
    executor = executor_for(denials)
    account = Account(executor, denials.denied)
    idle = value(run(account, account.function(PID)))
    child = account.function(
        "import subprocess\ndef handler(event, context):\n    return subprocess.Popen(['sleep', '60']).pid\n"
    )
    grandchild = value(run(account, child))
    running = tmp_path / "running"
    held = account.function(HELD, Timeout=900)
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(run, account, held, {"running": str(running), "go": str(tmp_path / "never")})
        until(lambda: running.exists() and running.read_text() != "")
        executor.close()
        executor.close()
        assert error(busy.result())[0] == "Runtime.ExitError"

    assert [pid for pid in (idle, grandchild, int(running.read_text())) if is_alive(pid)] == []
    with pytest.raises(ExecutorClosedError):
        run(account, held)


def test_a_process_that_exits_takes_its_children_with_it(account: Account, tmp_path: Path) -> None:
    """What a function started in the background does not outlive its execution environment."""
    function = account.function(
        "import os, pathlib, subprocess\n"
        "def handler(event, context):\n"
        "    pathlib.Path(event).write_text(str(subprocess.Popen(['sleep', '60']).pid))\n"
        "    os._exit(1)\n"
    )

    assert error(run(account, function, str(tmp_path / "child")))[0] == "Runtime.ExitError"

    child = int((tmp_path / "child").read_text())
    until(lambda: not is_alive(child))


KILLED_SANDBOX = """
import json, sys
from lambda_functions import Account, Denials, executor_for

WRITE = (
    "import os, pathlib, time\\n"
    "def handler(event, context):\\n"
    "    pathlib.Path(event).write_text(str(os.getpid()))\\n"
)

folder = sys.argv[1]
denials = Denials()
executor = executor_for(denials)
idle = Account(executor, denials.denied).function(WRITE)
executor.invoke(idle, json.dumps(folder + "/idle").encode())
hanging = Account(executor, denials.denied).function(WRITE + "    time.sleep(900)\\n", Timeout=900)
executor.invoke(hanging, json.dumps(folder + "/hanging").encode())
"""


def test_no_process_survives_a_killed_sandbox(tmp_path: Path) -> None:
    """The runtimes end too, even one whose handler hangs."""
    sandbox = subprocess.Popen(
        [sys.executable, "-c", KILLED_SANDBOX, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )

    def pids() -> list[int]:
        return [int(text) for path in tmp_path.glob("*") if (text := path.read_text())]

    until(lambda: len(pids()) == 2)
    alive = [is_alive(pid) for pid in pids()]
    sandbox.send_signal(signal.SIGKILL)
    sandbox.wait()

    assert alive == [True] * 2
    until(lambda: not any(is_alive(pid) for pid in pids()))


# -- the Runtime API by itself -----------------------------------------------------------------------------------------


def test_the_runtime_api_serves_one_invocation_after_the_other() -> None:
    """A runtime gets its event with Lambda's headers, and its answer reaches the caller."""
    seen: list[dict[str, str | None]] = []
    names = ("Aws-Request-Id", "Deadline-Ms", "Invoked-Function-Arn", "Trace-Id")

    def runtime(api: RuntimeApi) -> None:
        connection = http.client.HTTPConnection(api.address)
        for _ in range(2):
            connection.request("GET", "/2018-06-01/runtime/invocation/next")
            response = connection.getresponse()
            event = response.read()
            headers = {name: response.getheader(f"Lambda-Runtime-{name}") for name in names}
            seen.append(headers)
            for request, status in (("stale", 400), (headers["Aws-Request-Id"], 202)):
                connection.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", event * 2)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == status
        connection.close()

    with RuntimeApi() as api:
        before, epoch = time.monotonic(), time.time()
        thread = threading.Thread(target=runtime, args=(api,))
        thread.start()
        assert before <= api.wait_for_next(LIMIT_SECONDS) <= time.monotonic()
        arn = f"arn:aws:lambda:{REGION}:123456789012:function:checkout"
        deadline = epoch + LIMIT_SECONDS
        answers = [
            api.invoke(b"[]", request_id=request, function_arn=arn, deadline=deadline, trace="Root=1")
            for request in ("first", "second")
        ]
        thread.join()

    assert [(answer.body, answer.error_type) for answer in answers] == [(b"[][]", None)] * 2
    assert [headers["Aws-Request-Id"] for headers in seen] == ["first", "second"]
    assert seen[0]["Invoked-Function-Arn"] == arn
    assert seen[0]["Trace-Id"] == "Root=1"
    assert int(seen[0]["Deadline-Ms"] or 0) > epoch * 1000


def test_runtime_client_shim_speaks_the_runtime_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """It returns event and headers as the native module does, and raises if the API refuses a request."""
    seen: list[tuple[bytes, dict[str, str | int | None]]] = []

    def runtime() -> None:
        seen.append(runtime_client_shim.next())
        with pytest.raises(RuntimeError, match="stale/response: 400"):
            runtime_client_shim.post_invocation_result("stale", b"{}", "application/json")
        runtime_client_shim.post_error("current", '{"errorType": "LookupError"}', "")

    with RuntimeApi() as api:
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", api.address)
        thread = threading.Thread(target=runtime)
        thread.start()
        answer = api.invoke(b"[1]", request_id="current", function_arn="arn", deadline=time.time() + LIMIT_SECONDS)
        thread.join()

    ((event, headers),) = seen
    assert (event, headers["Lambda-Runtime-Aws-Request-Id"]) == (b"[1]", "current")
    assert isinstance(headers["Lambda-Runtime-Deadline-Ms"], int)
    assert (answer.error_type, json.loads(answer.body)) == ("LookupError", {"errorType": "LookupError"})


def test_the_runtime_api_gives_up_at_the_deadline_and_when_the_runtime_is_gone() -> None:
    """Whoever waits is told which of the two it was."""
    with RuntimeApi() as api:
        with pytest.raises(TimeoutError):
            api.wait_for_next(0.01)
        with pytest.raises(TimeoutError):
            api.invoke(b"{}", request_id="r", function_arn="a", deadline=time.time() + 0.01)
        threading.Timer(0.05, api.runtime_ended).start()
        with pytest.raises(RuntimeGoneError):
            api.wait_for_next(LIMIT_SECONDS)
        with pytest.raises(RuntimeGoneError):
            api.invoke(b"{}", request_id="r", function_arn="a", deadline=time.time() + LIMIT_SECONDS)
