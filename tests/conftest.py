"""What every test run shares."""

import asyncio


def pytest_configure() -> None:
    # pytest-asyncio asks for the current loop before it makes its own; without this, asyncio would make one
    # that nobody closes, and the warning about it would fail whatever test runs when it is collected.
    asyncio.set_event_loop(None)
