"""Decisions of listening together: clock, timeline, tree, hand-over. No I/O."""
