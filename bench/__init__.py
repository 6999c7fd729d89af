"""Benchmarks, most of them ratios within one run; `make bench`. Never deployed, and not part of any test."""
