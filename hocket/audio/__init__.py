"""Samples and positions: formats, conversion, read-ahead, virtual device clocks. No I/O."""
