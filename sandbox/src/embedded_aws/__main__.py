"""``python -m embedded_aws``: serve the embedded AWS until SIGINT, SIGTERM or SIGHUP.

Prints one line of JSON to standard output when it is ready: endpoint, account, region, runtime.
"""

import argparse
import json
import logging
import math
import re
import shlex
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Final

from embedded_aws.client import cli_environment
from embedded_aws.execution.asynchronous import TimeScale
from embedded_aws.execution.environment import RuntimeMissingError, default_python
from embedded_aws.request_router import regions_of
from embedded_aws.server import Sandbox, Settings

_HIGHEST_PORT: Final = 65535


def main() -> None:
    """Read the options, serve, end."""
    options = _options()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup a hang-up is ignored, and is to be.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    settings = Settings(
        account=options.account,
        region=options.region,
        port=options.port,
        time_scale=TimeScale(factor=options.pace),
        runtime_python=options.runtime_python,
    )
    try:
        sandbox = Sandbox(settings)
    except RuntimeMissingError as error:
        sys.exit(str(error))
    try:
        print(json.dumps(sandbox.facts), flush=True)  # noqa: T201 - the line that callers wait for
        if sys.stderr.isatty():
            _explain(cli_environment(sandbox.facts["endpoint"], account=options.account, region=options.region))
        stop.wait()
    finally:
        sandbox.close()


def _explain(environment: dict[str, str]) -> None:
    """Tell a person how to work on it from another shell."""
    lines = ["In another shell, for `cdk bootstrap` and `cdk deploy`, and, but for S3, the AWS CLI and any SDK:", ""]
    lines += [f"export {key}={shlex.quote(value)}" for key, value in environment.items()]
    print(*lines, "", "Ctrl-C ends it.", sep="\n", file=sys.stderr)  # noqa: T201 - for a person at a terminal


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m embedded_aws", description="An embedded AWS on one loopback port.")
    parser.add_argument("--port", type=_port, default=0, help="to listen on; 0 (the default) takes a free one")
    parser.add_argument("--account", type=_account, default="123456789012", help="12 digits")
    parser.add_argument(
        "--region", type=_region, default="us-east-1", help="the region of its trail and of quota settings"
    )
    parser.add_argument(
        "--pace",
        type=_pace,
        default=1.0,
        help="how long a wait is that takes 1 s in AWS (retries, ages); 0.01 is a hundred times faster",
    )
    parser.add_argument(
        "--runtime-python",
        type=_file,
        default=default_python(),
        help="the interpreter that runs functions (default: %(default)s)",
    )
    return parser.parse_args()


def _account(text: str) -> str:
    if not re.fullmatch(r"\d{12}", text):
        message = f"an account id has 12 digits, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return text


def _port(text: str) -> int:
    # The socket would take a larger number modulo 65536.
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        message = f"a port is a number from 0 to {_HIGHEST_PORT}, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _region(text: str) -> str:
    known = regions_of("lambda")
    if text not in known:
        message = f"there is no region {text!r}; there are {', '.join(known)}"
        raise argparse.ArgumentTypeError(message)
    return text


def _pace(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor <= 1:
        message = f"the pace is a number above 0 and at most 1, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return factor


def _file(text: str) -> Path:
    if not Path(text).is_file():
        message = f"there is no file {text!r}"
        raise argparse.ArgumentTypeError(message)
    return Path(text)


if __name__ == "__main__":
    main()
