"""An embedded AWS for the demo and the tests: moto's server plus what moto lacks, on one loopback port.

Started by ``python -m embedded_aws`` (see ``embedded_aws.client`` for a context manager around it). Never deployed.
"""
