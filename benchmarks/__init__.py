"""Measurements: medians and ratios within one run, never a test. Run one as `python -m benchmarks.NAME`."""
