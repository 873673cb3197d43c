"""Reads books by request for a feed, one after the other, in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable

from exchanges.errors import StaleReferenceError, VenueError
from exchanges.values import Book, Market

ReadBook = Callable[[Market, int], Book]
FORESEEN = (VenueError, StaleReferenceError)


class Reader:
    """One venue's reader: adapters speak plain HTTP and belong to a thread; `release` ends theirs."""

    def __init__(self, name: str, read_book: ReadBook, release: Callable[[], None]) -> None:
        self._read_book, self._release = read_book, release
        self._asked: queue.SimpleQueue[tuple[Market, int, asyncio.Future[Book]] | None]
        self._asked = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, name=f"reader:{name}", daemon=True).start()

    async def read(self, market: Market, depth: int) -> Book:
        """Read a book; raises as the adapter does."""
        future: asyncio.Future[Book] = self._loop.create_future()
        self._asked.put((market, depth, future))
        return await future

    def close(self) -> None:
        """Let the thread end after the read in hand."""
        self._asked.put(None)

    def _work(self) -> None:
        try:
            self._serve()
        finally:
            self._release()

    def _serve(self) -> None:
        while (asked := self._asked.get()) is not None:
            market, depth, future = asked
            try:
                book = self._read_book(market, depth)
            except Exception as error:  # noqa: BLE001  handed to whoever asked
                self._answer(future.set_exception, future, _bearable(error))
            else:
                self._answer(future.set_result, future, book)

    def _answer(
        self, answer: Callable[..., None], future: asyncio.Future[Book], content: object
    ) -> None:
        def tell() -> None:
            if not future.done():
                answer(content)

        try:
            self._loop.call_soon_threadsafe(tell)
        except RuntimeError:  # the loop has ended: nobody waits any more
            self.close()


def _bearable(error: Exception) -> Exception:
    """Give what a future takes: whoever waits for one that refused a StopIteration would wait for ever."""
    if not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError("a read ended in a StopIteration")
    wrapped.__cause__ = error
    return wrapped
