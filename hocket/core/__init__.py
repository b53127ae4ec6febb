"""Ids and units, errors, time as a value, settings, bounded history: what every floor may use."""
