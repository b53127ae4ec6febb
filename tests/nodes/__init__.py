"""Tests of the nodes floor."""
