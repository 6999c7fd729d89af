"""Executions that were long ago: the admin API lets them have been so, as no test can wait for days."""

from __future__ import annotations

from datetime import datetime, timedelta

from moto.stepfunctions.parser.models import stepfunctions_parser_backends

_TIMES = ("start_date", "stop_date", "redrive_date")


def age(account: str, region: str, *, seconds: float) -> int:
    """Let every execution of an account and region have been so much earlier; return how many there are."""
    machines = stepfunctions_parser_backends[account][region].state_machines
    executions = [each for machine in machines for each in machine.executions]
    for execution in executions:
        for name in _TIMES:
            moment = getattr(execution, name, None)
            if isinstance(moment, datetime):
                setattr(execution, name, moment - timedelta(seconds=seconds))
    return len(executions)
