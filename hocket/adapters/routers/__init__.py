"""Routers that let friends in: a port of theirs is asked for, prolonged and given back."""

from hocket.adapters.routers.errors import NoRouter, RouterRefused
from hocket.adapters.routers.mapper import Mapped, Mapper, Where

__all__ = ["Mapped", "Mapper", "NoRouter", "RouterRefused", "Where"]
