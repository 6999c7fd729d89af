"""Running Lambda functions: processes under the runtime client, their logs and traces, and the queue of events."""
