"""CloudFormation stack sets with service-managed permissions: an organization's accounts get real stacks."""
