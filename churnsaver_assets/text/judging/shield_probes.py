"""The shield's figures on hand-written probes: what it catches, and what it stops wrongly."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Literal

import msgspec
import pandas as pd

from churnsaver_serving.runtime.context import (
    MESSAGE_CHANNELS,
    SERVICES,
    STANDINGS,
    TONES,
    MessageContext,
)
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.shield import Shield
from churnsaver_serving.runtime.shield.verdict import Verdict

Part = Literal["dev", "held"]

_Z_95 = 1.959963984540054


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One text to judge.

    Attributes:
        id: unique in its file.
        kind: how it is judged; a `field` is a first name.
        text: to judge; of a `message` the body, unless `render` is false.
        context: key of its `MessageContext`; empty for a field.
        rule: that an attack breaks; empty for a benign text.
        first_name: of the customer.
        render: puts the packaged wording around a message's text; else it is judged as it stands.
        held: was written first and not looked at while the rules were written.
    """

    id: str
    kind: Literal["body", "message", "field"]
    text: str
    context: str = ""
    rule: str = ""
    first_name: str | None = None
    render: bool = True
    held: bool = False

    @property
    def part(self) -> Part:
        """Which part of the set it is in."""
        return "held" if self.held else "dev"


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share with its 95 % Wilson score interval (Wilson 1927).

    Attributes:
        count: that were.
        total: of these.
        mean: `count / total`.
        low: of the interval.
        high: of the interval.
    """

    count: int
    total: int
    mean: float
    low: float
    high: float


class RuleFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule's figures on one part of the probes.

    Attributes:
        named: attacks meant for the rule whose verdict names it.
        stopped: attacks meant for it that any rule stopped.
        false_alarms: benign texts whose verdict names it.
    """

    named: Rate
    stopped: Rate
    false_alarms: Rate


class PartFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one part of the probes.

    Attributes:
        stopped: attacks that didn't pass.
        named: attacks whose verdict names the rule that they were written for.
        false_alarms: benign texts that didn't pass.
        rules: by rule that attacks were written for.
        passed_attacks: ids of the attacks that passed.
        unnamed_attacks: ids of those stopped by other rules only.
        stopped_benign: ids of the benign texts that didn't pass, with the rules named.
    """

    stopped: Rate
    named: Rate
    false_alarms: Rate
    rules: dict[str, RuleFigures]
    passed_attacks: tuple[str, ...]
    unnamed_attacks: tuple[str, ...]
    stopped_benign: dict[str, tuple[str, ...]]


class ProbeReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a shield does on the probes.

    Attributes:
        shield: sha256 of its rules.
        version: of its rules.
        parts: "dev" was looked at while the rules were written, "held" wasn't.
    """

    shield: str
    version: str
    parts: dict[Part, PartFigures]


def wilson(count: int, total: int) -> Rate:
    """A share with its Wilson score interval at 95 %.

    Args:
        count: successes.
        total: trials; with none, the interval is all of [0, 1] and the mean not a number.
    """
    if not total:
        return Rate(0, 0, math.nan, 0.0, 1.0)
    mean, weight = count / total, _Z_95**2 / total
    middle = (mean + weight / 2) / (1 + weight)
    half = _Z_95 * math.sqrt(mean * (1 - mean) / total + weight / (4 * total)) / (1 + weight)
    return Rate(
        count, total, mean, max(0.0, min(mean, middle - half)), min(1.0, max(mean, middle + half))
    )


def _probes(name: str) -> list[Probe]:
    data = (resources.files("churnsaver_assets.text.judging") / "probes" / name).read_bytes()
    return [msgspec.json.decode(line, type=Probe) for line in data.splitlines()]


def attacks() -> list[Probe]:
    """Texts that must not be sent."""
    return _probes("attacks.jsonl")


def benign() -> list[Probe]:
    """Genuine texts and names, which must not be stopped."""
    return _probes("benign.jsonl")


def context_of_key(key: str) -> MessageContext:
    """The context of a `MessageContext.key`.

    Args:
        key: such as `fiber/new/10/warm/email`.

    Raises:
        ValueError: for anything else.
    """
    parts = key.split("/")
    allowed = (SERVICES, STANDINGS, None, TONES, MESSAGE_CHANNELS)
    if len(parts) != len(allowed) or any(
        part not in values if values else not part.isdecimal()
        for part, values in zip(parts, allowed, strict=True)
    ):
        raise ValueError(f"{key!r} is no context's key: expected fiber/new/10/warm/email or such")
    return msgspec.convert(
        dict(zip(MessageContext.__struct_fields__, parts, strict=True)),
        MessageContext,
        strict=False,
    )


def judged(shield: Shield, probe: Probe, wording: Wording) -> Verdict:
    """The shield's verdict on a probe.

    Args:
        shield: that judges.
        probe: to judge.
        wording: around a message's body.
    """
    if probe.kind == "field":
        return shield.check_field("first_name", probe.text)
    context = context_of_key(probe.context)
    if probe.kind == "body":
        return shield.check_body(probe.text, context)
    facts = wording.facts(context, probe.first_name)
    text = wording.render(probe.text, facts, context.channel) if probe.render else probe.text
    return shield.check_message(text, facts, context.channel)


def _figures(
    bad: Sequence[tuple[Probe, Verdict]],
    good: Sequence[tuple[Probe, Verdict]],
    rules: Iterable[str],
) -> PartFigures:
    alarms = Counter(rule for _, verdict in good for rule in verdict.rules)

    def named(pairs: Sequence[tuple[Probe, Verdict]]) -> Rate:
        return wilson(sum(probe.rule in verdict.rules for probe, verdict in pairs), len(pairs))

    def stopped(pairs: Sequence[tuple[Probe, Verdict]]) -> Rate:
        return wilson(sum(not verdict.passed for _, verdict in pairs), len(pairs))

    by_rule = {rule: [pair for pair in bad if pair[0].rule == rule] for rule in rules}
    return PartFigures(
        stopped=stopped(bad),
        named=named(bad),
        false_alarms=stopped(good),
        rules={
            rule: RuleFigures(named(pairs), stopped(pairs), wilson(alarms[rule], len(good)))
            for rule, pairs in by_rule.items()
        },
        passed_attacks=tuple(probe.id for probe, verdict in bad if verdict.passed),
        unnamed_attacks=tuple(
            probe.id
            for probe, verdict in bad
            if not verdict.passed and probe.rule not in verdict.rules
        ),
        stopped_benign={probe.id: verdict.rules for probe, verdict in good if not verdict.passed},
    )


def probe_report(shield: Shield) -> ProbeReport:
    """Judges every probe.

    Args:
        shield: that judges.
    """
    wording = msgspec.json.decode(default_wording(), type=Wording)
    bad = [(probe, judged(shield, probe, wording)) for probe in attacks()]
    good = [(probe, judged(shield, probe, wording)) for probe in benign()]
    rules = list(dict.fromkeys(probe.rule for probe, _ in bad))
    parts: tuple[Part, ...] = ("dev", "held")
    return ProbeReport(
        shield=shield.sha256,
        version=shield.version,
        parts={
            part: _figures(
                [pair for pair in bad if pair[0].part == part],
                [pair for pair in good if pair[0].part == part],
                rules,
            )
            for part in parts
        },
    )


def probe_table(report: ProbeReport) -> pd.DataFrame:
    """The figures, one row for each part and rule.

    Args:
        report: of `probe_report`.

    Returns:
        Columns `part`, `rule`, `attacks`, then `named`, `stopped` and `false_alarms` with their
        `_low` and `_high`, shares; and `benign`.
    """
    rows = []
    for part, figures in report.parts.items():
        for rule, of in figures.rules.items():
            row = {"part": part, "rule": rule, "attacks": of.named.total}
            for name in ("named", "stopped", "false_alarms"):
                rate: Rate = getattr(of, name)
                row |= {name: rate.mean, f"{name}_low": rate.low, f"{name}_high": rate.high}
            rows.append(row | {"benign": of.false_alarms.total})
    return pd.DataFrame(rows)
