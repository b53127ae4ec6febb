"""An engine on a thread of its own, for a program whose main thread belongs to a window."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from hocket.client import events
from hocket.client.engine import Engine, EngineOptions

T = TypeVar("T")


class EngineThread:
    """Starts an engine on its own loop and thread; `close` ends both. Methods are called from any other thread.

    `on_event` is called on the engine's thread: pass the event on, and return at once.
    """

    def __init__(self, options: EngineOptions, on_event: Callable[[events.Event], None]) -> None:
        self._options = options
        self._on_event = on_event
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._engine: Engine
        self._ending: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="engine")
        self._thread.start()
        self._ready.result()

    def call(self, command: Callable[[Engine], Coroutine[Any, Any, T]]) -> Future[T]:
        """Run a command of the engine: `call(lambda engine: engine.seek(30.0))`. Its result or error is in the future.

        Cancelling the future cancels the command.
        """
        return asyncio.run_coroutine_threadsafe(command(self._engine), self._loop)

    def read(self, what: Callable[[Engine], T]) -> Future[T]:
        """Read or set something that takes no time: `read(Engine.snapshot)`."""

        async def look() -> T:
            return what(self._engine)

        return asyncio.run_coroutine_threadsafe(look(), self._loop)

    def close(self) -> None:
        """Log out, stop, and wait for the end of the thread. Safe to call twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()

    async def _live(self) -> None:
        try:
            self._loop = asyncio.get_running_loop()
            self._ending = asyncio.Event()
            self._engine = Engine(self._options, self._on_event)
        except BaseException as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(None)
        try:
            await self._ending.wait()
        finally:
            await self._engine.close()
