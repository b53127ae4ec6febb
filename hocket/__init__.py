"""Hocket: one music service out of the machines that people already own."""

__version__ = "0.1.0"
