"""Hocket: one music service out of the machines that people already own."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts it with an older one should read why
    print(f"error: Hocket needs Python 3.11 or newer, and this is {sys.version.split()[0]}", file=sys.stderr)
    sys.exit(2)

__version__ = "0.1.0"
