"""An embedded AWS for the demo and the tests: moto's server plus what moto lacks, on one loopback port.

Started by ``python -m sandbox`` (see ``sandbox.client`` for a context manager around it). Never deployed.
"""
