"""An agent that has lost its hub says so by itself: once, late enough, to a real receiver, and that it is back."""

from __future__ import annotations

import asyncio

import pytest

from rigs.receivers import Hook
from watchkeeper import lost
from watchkeeper.clock import SystemClock
from watchkeeper.lost import Lost, LostSettings, decide
from watchkeeper.quantities import Duration


@pytest.mark.parametrize(
    ("away", "told", "witnessed", "expected"),
    [
        (0.0, False, True, ""),
        (299.0, False, True, ""),
        (300.0, False, True, "firing"),
        (300.0, False, False, ""),
        (900.0, True, True, ""),
        (0.0, True, False, "resolved"),
    ],
)
def test_when_it_is_told(away: float, told: bool, witnessed: bool, expected: str) -> None:
    """After five minutes, with a witness, once; that it is back whatever witnesses say."""
    assert decide(away, told, LostSettings(), witnessed) == expected


@pytest.mark.parametrize("wrong", [{"url": "ftp://x"}, {"after": Duration(0)}, {"witness": ("nowhere",)}])
def test_settings_that_could_never_work_are_refused(wrong: dict[str, object]) -> None:
    """While file and line are known."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LostSettings(**wrong)  # type: ignore[arg-type]  # that is the point


async def test_it_is_told_over_a_receiver_that_fails_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tried again until it is taken, told once, and its end too; the figure follows the link."""
    monkeypatch.setattr(lost, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(lost, "AGAIN_SECONDS", 0.02)
    hook, connected = Hook(), [True]
    async with hook.running():
        hook.faults = ["unavailable"]
        one = Lost(lambda: "box", lambda: connected[0], SystemClock())
        one.settings = LostSettings(url=hook.url, after=Duration(1), witness=(f"127.0.0.1:{hook.port}",))
        task = asyncio.create_task(one.run(), name="lost")
        await asyncio.sleep(0.1)
        assert not one.unreachable
        connected[0] = False
        async with asyncio.timeout(30):
            while not hook.taken:
                await asyncio.sleep(0.01)
            assert one.unreachable
            await asyncio.sleep(0.1)
            connected[0] = True
            while len(hook.taken) < 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        assert [taken.told["status"] for taken in hook.taken] == ["firing", "resolved"]
        assert hook.taken[0].told["commonLabels"]["machine"] == "box"
        assert not one.unreachable
