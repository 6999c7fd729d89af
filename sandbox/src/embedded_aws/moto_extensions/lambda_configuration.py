"""Configuration of functions that moto's Lambda forgets, by API and by CloudFormation.

`awslambda` installs it. Owns the function model that keeps DeadLetterConfig, LoggingConfig and the like, the reading
of AWS::Lambda::Function with all of its properties, and AWS::Lambda::EventInvokeConfig, which moto does not have.
"""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any, Final, Self

from moto.awslambda import models
from moto.awslambda.models import EventInvokeConfig, ImageConfig, LambdaBackend, LambdaFunction
from moto.awslambda.utils import get_backend
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.core.utils import iso_8601_datetime_with_nanoseconds

from embedded_aws.moto_extensions.resources import AccountRegion, StackResource

if TYPE_CHECKING:
    from collections.abc import Mapping

# Properties of AWS::Lambda::Function that go to CreateFunction as they are.
_PASSED_ON: Final = (
    "Architectures",
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "Handler",
    "ImageConfig",
    "Layers",
    "LoggingConfig",
    "PackageType",
    "ReservedConcurrentExecutions",
    "Role",
    "Runtime",
    "TracingConfig",
    "VpcConfig",
)
# What an update sets back where a template has dropped the property.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "DeadLetterConfig": {},
    "Description": "",
    "Environment": {},
    "EphemeralStorage": {"Size": 512},
    "ImageConfig": {},
    "Layers": [],
    "LoggingConfig": {},
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": None,
}


class SandboxFunction(LambdaFunction):
    """A function that keeps all of its configuration.

    Attributes:
        logging_config: LoggingConfig as it was given.
        dead_letter_config: DeadLetterConfig as it was given.
    """

    def __init__(self, account_id: str, spec: dict[str, Any], region: str, version: str | int = "$LATEST") -> None:
        super().__init__(account_id=account_id, spec=spec, region=region, version=version)
        self.logging_config: dict[str, str] = spec.get("LoggingConfig") or {}
        self.dead_letter_config: dict[str, str] = spec.get("DeadLetterConfig") or {}
        self.revision_id = str(uuid.uuid4())

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 (moto's signature)
        """The configuration as the Lambda API shows it, without what is not set."""
        shown = super().get_configuration(on_create=on_create)
        log_group = f"/aws/lambda/{self.function_name}"
        shown["LoggingConfig"] = {"LogFormat": "Text", "LogGroup": log_group} | self.logging_config
        shown["RevisionId"] = self.revision_id
        if self.dead_letter_config.get("TargetArn"):
            shown["DeadLetterConfig"] = self.dead_letter_config
        return {name: value for name, value in shown.items() if value not in (None, [])}

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """Apply UpdateFunctionConfiguration."""
        updates = dict(config_updates)
        if "Environment" in updates:
            updates["Environment"] = {"Variables": {}} | (updates["Environment"] or {})
        for name, value in updates.items():
            match name:
                case "DeadLetterConfig":
                    self.dead_letter_config = value or {}
                case "EphemeralStorage":
                    self.ephemeral_storage = value["Size"]
                case "ImageConfig":
                    self.image_config = ImageConfig(value)
                case "KMSKeyArn":
                    self.kms_key_arn = value
                case "LoggingConfig":
                    self.logging_config = value or {}
                case "TracingConfig":
                    self.tracing_config = value
        self._modified()
        return super().update_configuration(updates)

    def update_function_code(self, updated_spec: dict[str, Any]) -> dict[str, Any]:
        """Apply UpdateFunctionCode."""
        if not updated_spec.get("DryRun"):
            if "Architectures" in updated_spec:
                self.architectures = updated_spec["Architectures"]
            self._modified()
        return super().update_function_code(updated_spec)

    def _modified(self) -> None:
        self.last_modified = iso_8601_datetime_with_nanoseconds()
        self.revision_id = str(uuid.uuid4())


class EventInvokeConfigResource(StackResource, CloudFormationModel):
    """AWS::Lambda::EventInvokeConfig."""

    template_type = "AWS::Lambda::EventInvokeConfig"

    def __init__(self, function_name: str, qualifier: str) -> None:
        super().__init__(f"{function_name}|{qualifier}")
        self.function_name = function_name

    @classmethod
    def make(cls, _name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Create or replace the function's configuration."""
        config: dict[str, Any] = {"DestinationConfig": properties.get("DestinationConfig") or {}}
        for name in ("MaximumEventAgeInSeconds", "MaximumRetryAttempts"):
            if name in properties:
                config[name] = int(properties[name])
        backend = get_backend(place.account, place.region)
        backend.put_function_event_invoke_config(properties["FunctionName"], config)
        return cls(backend.get_function(properties["FunctionName"]).function_name, properties["Qualifier"])

    def change(self, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Replace the configuration; of the former function too, where the resource moves to another one."""
        changed = self.make(name, properties, place)
        if changed.function_name != self.function_name:
            self.remove(place)
        return changed

    def remove(self, place: AccountRegion, /) -> None:
        """Take the configuration off the function, if both are still there."""
        backend = get_backend(place.account, place.region)
        if any(function.function_name == self.function_name for function in backend.list_functions()):
            backend.get_function(self.function_name).event_invoke_config = []


def install() -> None:
    """Replace moto's function model, and teach moto's CloudFormation what it lacks. May be called again."""
    models.LambdaFunction = SandboxFunction  # type: ignore[misc]  # what moto's backend instantiates
    replacements: dict[type, dict[str, Any]] = {
        LambdaFunction: {
            "create_from_cloudformation_json": classmethod(_create_from_template),
            "update_from_cloudformation_json": classmethod(_update_from_template),
        },
        LambdaBackend: {
            "put_function_event_invoke_config": _put_event_invoke_config,
            "update_function_event_invoke_config": _update_event_invoke_config,
        },
    }
    for target, members in replacements.items():
        for name, member in members.items():
            setattr(target, name, member)
    # moto remembers the types it found at the first look, which may have been before this module was imported.
    parsing.get_model_list.cache_clear()
    parsing.get_model_map.cache_clear()
    parsing.get_name_type_map.cache_clear()


def _create_from_template(
    cls: type[Any],
    /,
    resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
    **kwargs: str,
) -> LambdaFunction:
    properties = cloudformation_json["Properties"]
    spec = {name: properties[name] for name in _PASSED_ON if name in properties}
    spec |= {name: int(properties[name]) for name in ("MemorySize", "Timeout") if name in properties}
    if "KmsKeyArn" in properties:  # the one property that is spelt differently in the API
        spec["KMSKeyArn"] = properties["KmsKeyArn"]
    spec["FunctionName"] = resource_name
    spec["Code"] = _code(cls, properties["Code"])
    spec["Tags"] = _tags(properties) | _system_tags(kwargs)
    return get_backend(account_id, region_name).create_function(spec)


def _update_from_template(  # noqa: PLR0913 (moto's signature)
    cls: type[Any],
    /,
    *,
    original_resource: LambdaFunction,
    new_resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
) -> LambdaFunction:
    properties = cloudformation_json["Properties"]
    system_tags = {key: value for key, value in original_resource.tags.items() if key.startswith("aws:")}
    if properties.get("FunctionName", original_resource.function_name) != original_resource.function_name:
        replacement = _create_from_template(cls, new_resource_name, cloudformation_json, account_id, region_name)
        replacement.tags |= system_tags
        original_resource.delete(account_id, region_name)
        return replacement
    updates = {name: properties.get(name, default) for name, default in _DEFAULTS.items()}
    updates |= {name: properties[name] for name in ("Handler", "Role", "Runtime") if name in properties}
    updates["MemorySize"] = int(properties.get("MemorySize", 128))
    updates["Timeout"] = int(properties.get("Timeout", 3))
    updates["KMSKeyArn"] = properties.get("KmsKeyArn")
    original_resource.update_configuration(updates)
    original_resource.architectures = properties.get("Architectures", ["x86_64"])
    original_resource.reserved_concurrency = properties.get("ReservedConcurrentExecutions")
    original_resource.tags = _tags(properties) | system_tags
    original_resource.update_function_code(_code(cls, properties["Code"]))
    return original_resource


def _code(cls: type[Any], code: dict[str, Any]) -> dict[str, Any]:
    """A template's code as the API takes it: inline source becomes a zip."""
    if "ZipFile" not in code:
        return dict(code)
    archive = cls._create_zipfile_from_plaintext_code(code["ZipFile"])
    return {"ZipFile": base64.b64encode(archive).decode()}


def _tags(properties: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def _system_tags(kwargs: dict[str, str]) -> dict[str, str]:
    """The tags that CloudFormation puts on what it creates."""
    stack_id = kwargs.get("StackId")
    if stack_id is None:
        return {}
    return {
        "aws:cloudformation:logical-id": kwargs["LogicalId"],
        "aws:cloudformation:stack-id": stack_id,
        "aws:cloudformation:stack-name": stack_id.split("/")[1],
    }


def _put_event_invoke_config(self: LambdaBackend, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Replace what there is; moto's own appends and keeps reading the first."""
    function = self.get_function(function_name)
    entry = EventInvokeConfig(function.function_arn, function.last_modified, config)
    function.event_invoke_config = [entry]
    return entry.response()


def _update_event_invoke_config(self: LambdaBackend, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Change what is given and keep the rest."""
    function = self.get_function(function_name)
    former = function.event_invoke_config[0].config if function.event_invoke_config else {}
    return _put_event_invoke_config(self, function_name, former | config)
