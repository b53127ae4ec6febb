"""Property tests here run on busy machines: no example has a time limit of its own."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
