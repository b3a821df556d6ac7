"""The workload in words: who loads whom with what, in which model, and what each phase was. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watchkeeper.stress.report.document import StageReport
from watchkeeper.stress.report.wording import level, listed, number, rate, seconds
from watchkeeper.stress.run import Run


def words(run: Run, plan: dict[str, Any], stages: Sequence[StageReport]) -> tuple[str, ...]:
    """Sentences, the most telling first."""
    found = [_model(plan, stages), _mix(run, plan), _connections(plan, stages)]
    found += [
        f"An answer may take {plan.get('timeout', '10s')}; what found no free connection for so long was dropped.",
        (
            "Latency counts from the intended start of each operation, service time from the actual one: "
            "what lies between is the queue that a tool that waits for its answers does not see."
        ),
    ]
    found += _phases(stages)
    return tuple(one for one in found if one)


def _model(plan: dict[str, Any], stages: Sequence[StageReport]) -> str:
    models = {stage.model for stage in stages}
    arrival = "at times as chance has it (Poisson)" if plan.get("arrival") == "poisson" else "evenly in time"
    open_model = f"Open model: starts are due {arrival}, whatever became of earlier ones; a slow target slows nothing down."
    closed = "Closed model: each user starts anew once its operation is done, so a slow target is asked less often."
    if models == {"closed"}:
        return closed
    return f"{open_model} {closed} (Each stage says which.)" if "closed" in models else open_model


def _mix(run: Run, plan: dict[str, Any]) -> str:
    protocol = plan.get("protocol", {})
    operations = [one for one in protocol.get("operation", ()) if isinstance(one, dict)]
    total = sum(float(one.get("weight", 1)) for one in operations)
    if not operations or total <= 0:
        return f"Protocol {run.protocol}; operations: {listed(list(run.operations), 8)}."
    parts = []
    for one in operations:
        share = float(one.get("weight", 1)) / total
        more = [f"{name} {one[name]}" for name in ("size", "think", "body_bytes", "to") if one.get(name)]
        parts.append(f"{one.get('name', '?')} {share:.0%}" + (f" ({', '.join(map(str, more))})" if more else ""))
    return f"Protocol {run.protocol}; mix: {listed(parts, 8)}."


def _connections(plan: dict[str, Any], stages: Sequence[StageReport]) -> str:
    many = sorted({stage.connections for stage in stages if stage.connections})
    if not many:
        return ""
    told = f"{number(many[0])}" if len(many) == 1 else f"{number(many[0])} to {number(many[-1])}"
    return f"{told} connections, opened at up to {rate(float(plan.get('connect_rate', 1000)))}, kept and used over and over."


def _phases(stages: Sequence[StageReport]) -> list[str]:
    """A sentence for each phase of the plan that was run."""
    found = []
    for phase in sorted({stage.phase for stage in stages}):
        own = [stage for stage in stages if stage.phase == phase]
        first, total = own[0], sum(stage.seconds for stage in own)
        if first.kind == "steps":
            low, high = min(stage.level for stage in own), max(stage.level for stage in own)
            what = (
                f"{len(own)} stages from {level(low, first.model)} to {level(high, first.model)}, {seconds(first.seconds)} each"
            )
        else:
            what = f"{level(first.level, first.model)} for {seconds(total)}"
        outside = ", not counted" if first.excluded else ""
        called = first.kind if first.kind in {"steps", first.name} else f"{first.name} ({first.kind})"
        found.append(f"{called}: {what}{outside}.")
    return found
