"""Audio files of every kind into the music folder, as WAV files."""

from hocket.adapters.importing.sources import Found, Source, find_sources
from hocket.adapters.importing.work import Imported, OnBytes, import_all

__all__ = ["Found", "Imported", "OnBytes", "Source", "find_sources", "import_all"]
