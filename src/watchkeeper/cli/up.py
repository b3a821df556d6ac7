"""`watchkeeper up`: hub and agent on this machine, in two processes joined by the same link as a remote agent.

This third process only keeps the two alive and passes signals on: the dashboard can never hold up
the process that keeps servers alive, and either may be killed and is started again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from watchkeeper.cli import lifeline
from watchkeeper.cli.options import Options, add_program_arguments, program_options
from watchkeeper.cli.readiness import Readiness
from watchkeeper.cli.settings import read_document

AGAIN_SECONDS = 1.0
"""The pause before a program that has died is started again; doubled up to `LONGEST_SECONDS` while it keeps dying soon."""

LONGEST_SECONDS = 30.0
STABLE_SECONDS = 30.0
STOP_SECONDS = 40.0
"""How long the agent may take to stop its servers, each with its own grace, before it is ended."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_program_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run both until Ctrl-C or SIGTERM; a second Ctrl-C ends at once."""
    options = program_options(args)
    read_document(options.config)  # each program reads its own tables and refuses what is wrong; this one stays small
    return Pair(options).run()


class Program:
    """One of the two child processes."""

    def __init__(self, name: str, arguments: Sequence[str], line: int, told: Callable[[str], None] | None = None) -> None:
        """`line` is the reading end of our lifeline; `told` is called with each line of its standard output."""
        self._lifeline = line
        self.name = name
        self._arguments = [sys.executable, "-m", "watchkeeper", name, *arguments]
        self._told = told
        self._process: subprocess.Popen[str] | None = None
        self._started = 0.0
        self._pause = AGAIN_SECONDS
        self.due = 0.0

    def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches it through us alone."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._told else None,
            text=True,
            process_group=0,
            env={**os.environ, lifeline.VARIABLE: str(self._lifeline)},
            pass_fds=(self._lifeline,),
        )
        if self._told:
            threading.Thread(target=self._listen, args=(self._process, self._told), daemon=True, name=self.name).start()

    def ended(self) -> int | None:
        """Its exit status if it has ended, and then when to start it again (`due`)."""
        if self._process is None or (status := self._process.poll()) is None:
            return None
        self._process = None
        stable = time.monotonic() - self._started > STABLE_SECONDS
        self._pause = AGAIN_SECONDS if stable else min(self._pause * 2, LONGEST_SECONDS)
        self.due = time.monotonic() + self._pause
        return status

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def signal(self, number: int) -> None:
        """Pass a signal on."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait for its end; kill it when the time is over."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"watchkeeper: the {self.name} does not end; killing it", file=sys.stderr)
            self._process.kill()
            self._process.wait()

    @staticmethod
    def _listen(process: subprocess.Popen[str], told: Callable[[str], None]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                told(line.rstrip("\n"))


class Pair:
    """The hub and the agent, kept alive."""

    def __init__(self, options: Options) -> None:
        """Prepare both; nothing runs yet."""
        shared = ["--data", str(options.data), "--log-level", options.log_level]
        if options.config:
            shared += ["--config", str(options.config)]
        listen = ["--listen", options.listen] if options.listen else ["--next-free"]
        # Nobody writes to this pipe: that it ends is what the programs hear when we die, however we die.
        line, self._mine = os.pipe()
        self._hub = Program("hub", [*shared, *listen], line, self._hub_said)
        self._agent = Program("agent", shared, line)
        self._options = options
        self._readiness = Readiness()  # before a program is started: it must not inherit the address
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._signals: list[int] = []
        self._announced = False

    def run(self) -> int:
        """Start both and look after them until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self._hub.start()
        self._agent.start()
        first_failure = None
        while first_failure is None:
            for caught in self._take_signals():
                number = signal.Signals(caught)
                if number == signal.SIGHUP:
                    self._hub.signal(number)
                    self._agent.signal(number)
                else:
                    self._stop(number)
                    return 0
            first_failure = self._look_after()
            self._readiness.alive()
            time.sleep(0.1)
        self._stop(signal.SIGTERM)
        return first_failure

    def _look_after(self) -> int | None:
        """Start again what has ended; the exit status when one of them could never start at all."""
        for program in (self._hub, self._agent):
            status = program.ended()
            if status is not None:
                if not self._announced and status in {1, 2}:
                    return status
                how = f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
                print(f"watchkeeper: the {program.name} has ended ({how}); starting it again", file=sys.stderr)
            elif not program.running and time.monotonic() >= program.due:
                program.start()
        return None

    def _hub_said(self, line: str) -> None:
        if line != "ready":
            self._lines.append(line)
            return
        said = dict(line.split(" ", 1) for line in self._lines)
        self._lines.clear()
        self._readiness.ready(f"dashboard at {said.get('dashboard', '')}")
        self._announce(said.get("dashboard", ""), said.get("sign-in", ""))
        self._announced = True

    def _announce(self, url: str, link: str) -> None:
        if self._options.quiet:
            return
        if self._announced:
            print(f"watchkeeper: the hub is back at {url}", flush=True)
            return
        print(f"\n  Watchkeeper watches this machine.\n\n  Dashboard  {url}/", flush=True)
        if link and self._readiness.is_service:
            print("  Sign in    `watchkeeper sign-in` prints a link", flush=True)  # this goes to a log: no secret in it
        elif link:
            print(
                f"  Sign in    {link}\n             (works once, for an hour; `watchkeeper sign-in` makes another)", flush=True
            )
        print(f"  Data       {self._options.data}\n  Stop       Ctrl-C\n", flush=True)

    def _stop(self, number: int) -> None:
        """The agent first, so that the hub still hears how the servers ended."""
        self._readiness.stopping()
        self._agent.signal(number)
        deadline = time.monotonic() + STOP_SECONDS
        while self._agent.ended() is None and self._agent.running:
            if any(again in {signal.SIGINT, signal.SIGTERM} for again in self._take_signals()):
                self._agent.signal(signal.SIGKILL)
            if time.monotonic() > deadline:
                break
            self._readiness.alive()
            time.sleep(0.05)
        self._agent.wait(1)
        self._hub.signal(signal.SIGTERM)
        self._hub.wait(10)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)

    def _take_signals(self) -> list[int]:
        taken, self._signals = self._signals, []
        return taken
