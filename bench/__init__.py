"""Measures calls, cold start, bundle and memory; see `make bench`."""
