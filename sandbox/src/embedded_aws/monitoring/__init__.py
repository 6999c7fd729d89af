"""CloudWatch as an account's watch: metrics of services and of log records, and alarms that go off by them."""
