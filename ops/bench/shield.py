"""Times the shield on the benign probes: `python -m ops.bench.shield`. `--smoke` takes seconds."""

import argparse
import json
import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from churnsaver_assets.text.judging.shield_probes import benign, context_of_key
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.rules import default_rules
from churnsaver_serving.runtime.shield.shield import Shield
from churnsaver_serving.runtime.verdict import Verdict


def timed(calls: Sequence[Callable[[], Verdict]], rounds: int) -> dict[str, float]:
    """Return the milliseconds of one call: median, 95th percentile, longest; one round warms up."""
    for call in calls:
        call()
    taken = []
    for _ in range(rounds):
        for call in calls:
            start = time.perf_counter_ns()
            call()
            taken.append((time.perf_counter_ns() - start) / 1e6)
    p50, p95, longest = np.quantile(taken, [0.5, 0.95, 1.0])
    return {"calls": len(taken), "p50_ms": p50, "p95_ms": p95, "max_ms": longest}


def calls(shield: Shield) -> dict[str, list[Callable[[], Verdict]]]:
    """Return calls on every benign body, once alone and once as a whole message."""
    wording = msgspec.json.decode(default_wording(), type=Wording)
    bodies: list[Callable[[], Verdict]] = []
    messages: list[Callable[[], Verdict]] = []
    for probe in benign():
        if probe.kind == "field":
            continue
        context = context_of_key(probe.context)
        facts = wording.facts(context, probe.first_name)
        text = wording.render(probe.text, facts, context.channel)
        bodies.append(lambda p=probe, c=context: shield.check_body(p.text, c))
        messages.append(lambda t=text, f=facts, c=context: shield.check_message(t, f, c.channel))
    return {"check_body": bodies, "check_message": messages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--smoke", action="store_true", help="one round")
    options = parser.parse_args()
    rounds = 1 if options.smoke else options.rounds
    start = time.perf_counter()
    shield = Shield.from_bytes(default_rules())
    figures: dict[str, object] = {"load_ms": (time.perf_counter() - start) * 1e3}
    figures |= {name: timed(group, rounds) for name, group in calls(shield).items()}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
