"""The window: pure view-models, widgets that show them, and a bridge to the engine's thread."""
