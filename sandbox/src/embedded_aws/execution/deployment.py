"""What of a deployed Lambda function matters to running it.

`asynchronous` and `eventbridge` look up the function that an event is for (`find_function`); `executor` takes a
`Deployment` of it at each invocation: two equal deployments may share an execution
environment, and a changed one retires the environments of the former. Owns the reading of moto's function model.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import lambda_backends

if TYPE_CHECKING:
    from moto.awslambda.models import LambdaFunction


def find_function(arn: str) -> LambdaFunction | None:
    """Moto's function of that ARN, qualified or not, as it is now; None where it is gone."""
    _, _, _, region, account, _ = arn.split(":", 5)
    try:
        return lambda_backends[account][region].get_function(arn)
    except UnknownFunctionException:
        return None


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A function's code and configuration at one moment.

    Attributes:
        arn: As it stands in the configuration; ends in the version for a published one.
        name: Function name.
        version: "$LATEST" or a number.
        account_id: Owner.
        region: Region.
        partition: "aws" and its sisters.
        role_arn: Execution role.
        runtime: "python3.14"; None for an image.
        handler: "module.function"; None for an image.
        variables: The deployed environment, sorted.
        timeout: Seconds.
        memory_mb: Memory size.
        log_group: CloudWatch log group.
        json_logs: Whether LoggingConfig asks for JSON.
        log_level: Application log level, only with JSON.
        code_sha256: Base64 digest of the zip, "" where there is none.
        modified: LastModified; tells a function from one of the same name that was deleted before.
        code: The zip.
    """

    arn: str
    name: str
    version: str
    account_id: str
    region: str
    partition: str
    role_arn: str
    runtime: str | None
    handler: str | None
    variables: tuple[tuple[str, str], ...]
    timeout: float
    memory_mb: int
    log_group: str
    json_logs: bool
    log_level: str | None
    code_sha256: str
    modified: str
    code: bytes = field(compare=False, repr=False)

    @classmethod
    def of(cls, function: LambdaFunction) -> Deployment:
        """Read moto's function as it is now."""
        logging: dict[str, str] = getattr(function, "logging_config", {})  # moto_extensions adds it
        return cls(
            arn=function.function_arn,
            name=function.function_name,
            version=str(function.version),
            account_id=function.account_id,
            region=function.region,
            partition=function.partition,
            role_arn=function.role,
            runtime=function.run_time,
            handler=function.handler,
            variables=tuple(sorted((name, str(value)) for name, value in function.environment_vars.items())),
            timeout=float(function.timeout),
            memory_mb=int(function.memory_size),
            log_group=logging.get("LogGroup") or f"/aws/lambda/{function.function_name}",
            json_logs=logging.get("LogFormat") == "JSON",
            log_level=logging.get("ApplicationLogLevel"),
            code_sha256=function.code_sha_256,
            modified=function.last_modified,
            code=getattr(function, "code_bytes", b""),  # moto sets it for zips only
        )

    @property
    def unqualified_arn(self) -> str:
        """The function's ARN without a version."""
        return f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{self.name}"

    @property
    def obstacle(self) -> str | None:
        """Why the sandbox cannot run this, or None."""
        if self.runtime is None:
            return "The sandbox runs functions from zip archives only, not from container images."
        if not self.runtime.startswith("python3"):
            return f"The sandbox runs Python functions only, not {self.runtime}."
        if not zipfile.is_zipfile(io.BytesIO(self.code)):
            return "The function's code is no zip archive."
        return None
