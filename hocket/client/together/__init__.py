"""Listening together: hosting friends while one plays, and following a friend who does."""
