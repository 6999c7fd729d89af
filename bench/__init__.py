"""Measures what the project costs, as ratios within one run; `make bench`. Never deployed, and no test of anything."""
