"""What a cold start is measured against: the same clients and calls in ten lines, without powertools."""

import boto3

awslambda = boto3.client("lambda")
profiler = boto3.client("codeguruprofiler")


def handler(event, _context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103 - as bare as it can be
    arn = event["detail"]["responseElements"]["functionArn"]
    name = awslambda.get_function_configuration(FunctionName=arn)["FunctionName"]
    tags = awslambda.list_tags(Resource=arn)["Tags"]
    group = profiler.create_profiling_group(
        profilingGroupName=name, computePlatform="AWSLambda", tags=tags, clientToken=event["detail"]["eventID"]
    )
    return group["profilingGroup"]["name"]
