"""The errors of the API model, raised by `validation` and `models`.

`code` is the modelled name; moto takes the HTTP status from the model's error shape of that name and writes the
rest-json error (header `x-amzn-errortype`, body with `message`).
"""

from collections.abc import Sequence

from moto.core.exceptions import ServiceException


class ConflictError(ServiceException):
    """HTTP 409: the name is taken, or a policy revision is not the present one."""

    code = "ConflictException"


class InternalServerError(ServiceException):
    """HTTP 500. The backend has no cause of its own to raise it; part of the model."""

    code = "InternalServerException"


class ResourceNotFoundError(ServiceException):
    """HTTP 404: no such profiling group, or the group has no policy."""

    code = "ResourceNotFoundException"


class ServiceQuotaExceededError(ServiceException):
    """HTTP 402: the account has as many profiling groups in this region as its quota allows."""

    code = "ServiceQuotaExceededException"


class ThrottlingError(ServiceException):
    """HTTP 429. The backend itself never throttles: AWS publishes no rates for this API; part of the model."""

    code = "ThrottlingException"


class ValidationError(ServiceException):
    """HTTP 400: the request breaks a constraint of the API model, or a tag rule.

    Args:
        violations: What is wrong, at least one sentence; AWS puts them all into one message.
    """

    code = "ValidationException"

    def __init__(self, violations: Sequence[str]) -> None:
        noun = "error" if len(violations) == 1 else "errors"
        super().__init__(f"{len(violations)} validation {noun} detected: {'; '.join(violations)}")
