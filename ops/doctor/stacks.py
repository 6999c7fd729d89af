"""A deployed stack: what its template says that there should be, with the names that it has come to have.

What a check compares is the deployed template with what there is now, so that neither the policy file at hand nor the
version of this command matters. Pure but for `find`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from infra.fingerprint import METADATA
from profiling_groups.functions import partition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

    from profiling_groups.functions import Place

# The members' template has these two parameters, and no other template is likely to (`infra.member`).
_OF_A_MEMBER: Final = frozenset({"HubBusArn", "HubRoleArn"})
_OF_A_DEPLOYMENT: Final = "BackfillStateMachineArn"
_OF_A_HUB: Final = "EventBusArn"

# The service of the ARN that Fn::GetAtt gives, and what stands around the physical id in its last part.
_ARNS: Final = {
    "AWS::Events::EventBus": ("events", "event-bus/{}"),
    "AWS::Events::Rule": ("events", "rule/{}"),
    "AWS::IAM::Role": ("iam", "role/{}"),
    "AWS::Lambda::Function": ("lambda", "function:{}"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
    "AWS::SQS::Queue": ("sqs", "{}"),
}


class UnresolvedError(Exception):
    """A template names something that only CloudFormation knows."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of a template.

    Attributes:
        id: Its id there.
        name: The name that it has come to have: its physical id; empty where it is not there, by a condition.
        properties: Its properties as they stand in the template.
    """

    id: str
    name: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Template:
    """A deployed template.

    Attributes:
        document: The template.
        names: Physical ids by the ids in it.
        place: Where it is deployed.
        stack_id: ARN of the stack.
        parameters: Their values.
    """

    document: Mapping[str, Any]
    names: Mapping[str, str]
    place: Place
    stack_id: str
    parameters: Mapping[str, str]

    def of_type(self, kind: str) -> Iterator[Resource]:
        """Yield the resources of a type, as far as they are deployed."""
        for key, resource in self.document["Resources"].items():
            if resource["Type"] == kind and self.names.get(key):
                yield Resource(id=key, name=self.names[key], properties=resource.get("Properties", {}))

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """What was deployed, by `infra.fingerprint`; empty where the template does not say."""
        found = self.document.get("Metadata", {}).get(METADATA, {})
        return found if isinstance(found, Mapping) else {}

    def resolved(self, value: Any) -> Any:  # noqa: ANN401, PLR0911 - JSON; a case for each of the functions
        """Return a value of the template with what its functions stand for.

        Raises:
            UnresolvedError: Only CloudFormation knows.
        """
        match value:
            case {"Ref": str(name)}:
                return self._ref(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._attribute(name, attribute)
            case {"Fn::Join": [str(glue), parts]}:
                return glue.join(str(self.resolved(part)) for part in parts)
            case {"Fn::Select": [index, parts]}:
                return self.resolved(parts)[int(index)]
            case {"Fn::Split": [str(glue), text]}:
                return self.resolved(text).split(glue)
            case Mapping() if any(key.startswith("Fn::") for key in value):
                raise UnresolvedError(json.dumps(value))
            case Mapping():
                return {key: self.resolved(each) for key, each in value.items()}
            case list():
                return [self.resolved(each) for each in value]
        return value

    def _ref(self, name: str) -> str:
        pseudo = {
            "AWS::AccountId": self.place.account,
            "AWS::Partition": partition(self.place.region),
            "AWS::Region": self.place.region,
            "AWS::StackId": self.stack_id,
            "AWS::StackName": self.stack_id.split("/")[1],
        }
        for known in (pseudo, self.parameters, self.names):
            if name in known:
                return known[name]
        raise UnresolvedError(name)

    def _attribute(self, name: str, attribute: str) -> str:
        kind, physical = self.document["Resources"][name]["Type"], self.names.get(name)
        if not physical:
            raise UnresolvedError(name)
        if (kind, attribute) == ("AWS::StepFunctions::StateMachine", "Name"):
            return physical.rpartition(":")[2]
        if attribute != "Arn":
            raise UnresolvedError(f"{name}.{attribute}")
        if physical.startswith("arn:"):
            return physical
        if kind == "AWS::S3::Bucket":
            return f"arn:{partition(self.place.region)}:s3:::{physical}"
        if kind not in _ARNS:
            raise UnresolvedError(f"{name}.{attribute}")
        service, last = _ARNS[kind]
        match kind:
            case "AWS::SQS::Queue":  # its URL
                physical = physical.rpartition("/")[2]
            case "AWS::Events::Rule":  # on another bus than the default one, `bus|rule`
                physical = physical.replace("|", "/")
        region = "" if service == "iam" else self.place.region
        return f"arn:{partition(self.place.region)}:{service}:{region}:{self.place.account}:{last.format(physical)}"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A deployed stack.

    Attributes:
        name: Its name.
        id: Its ARN.
        status: As CloudFormation calls it.
        reason: Why it has that status, if it says.
        outputs: Its outputs.
        parameters: Its parameters.
    """

    name: str
    id: str
    status: str
    reason: str | None
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]

    @property
    def is_deployment(self) -> bool:
        """Whether it is the project's stack, in whatever version."""
        return _OF_A_DEPLOYMENT in self.outputs

    @property
    def is_hub(self) -> bool:
        """Whether it governs an organization."""
        return _OF_A_HUB in self.outputs

    @property
    def is_member(self) -> bool:
        """Whether it makes its account a member of one."""
        return self.parameters.keys() >= _OF_A_MEMBER


def find(client: CloudFormationClient, name: str) -> Stack | None:
    """Return a stack; None where there is none of that name.

    Raises:
        botocore.exceptions.ClientError: CloudFormation does not tell.
    """
    try:
        (found,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # CloudFormation has no error of its own for it.
        if "does not exist" not in str(error):
            raise
        return None
    return _described(found)


def members(client: CloudFormationClient) -> list[Stack]:
    """Return the stacks that make this account a member; a stack set names them as it likes.

    Raises:
        botocore.exceptions.ClientError: CloudFormation does not tell.
    """
    pages = client.get_paginator("describe_stacks").paginate()
    found = [_described(each) for page in pages for each in page["Stacks"]]
    return [each for each in found if each.is_member and each.status != "DELETE_COMPLETE"]


def template(client: CloudFormationClient, stack: Stack, place: Place) -> Template:
    """Return what a stack's template says.

    Raises:
        botocore.exceptions.ClientError: CloudFormation does not tell.
    """
    body: Any = client.get_template(StackName=stack.id)["TemplateBody"]
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack.id)
    names = {
        each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceStatus"] != "DELETE_COMPLETE"
    }
    return Template(
        document=json.loads(body) if isinstance(body, str) else body,
        names=names,
        place=place,
        stack_id=stack.id,
        parameters=stack.parameters,
    )


def _described(found: StackTypeDef) -> Stack:
    def pairs(entries: Sequence[Mapping[str, Any]], kind: str) -> dict[str, str]:
        return {each[f"{kind}Key"]: each.get(f"{kind}Value", "") for each in entries}

    return Stack(
        name=found["StackName"],
        id=found["StackId"],
        status=found["StackStatus"],
        reason=found.get("StackStatusReason"),
        outputs=pairs(found.get("Outputs", []), "Output"),
        parameters=pairs(found.get("Parameters", []), "Parameter"),
    )
