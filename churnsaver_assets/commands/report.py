"""Tables and texts that the demo prints: models, decisions with their messages, where to look."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from churnsaver_assets.commands.graph import Materialised

_DATA_STYLE = {"real": "green", "sample": "bold red"}


def print_metrics(console: Console, manifest: Mapping[str, Any], done: Materialised) -> None:
    """Print the headline figures of each model, as the release's manifest has them."""
    table = Table(title="Models (cross-fitted, 95 % confidence interval)")
    for name in ("model", "in the release", "AUC", "ECE", "ECE noise floor", "log loss"):
        table.add_column(name)
    models = {name: one for name, one in manifest["metrics"].items() if "auc" in one}
    for model, figures in models.items():
        for prefix, released in (("", "yes"), ("uncalibrated_", "its booster alone")):
            table.add_row(
                model,
                released,
                _interval(figures, f"{prefix}auc"),
                f"{figures[f'{prefix}ece']:.4f}",
                f"{figures[f'{prefix}ece_noise_floor']:.4f}",
                _interval(figures, f"{prefix}log_loss"),
            )
    console.print(table)
    for model, figures in models.items():
        _print_base_rates(console, model, figures)
        _print_temporal(console, model, figures)
    _print_policy(console, manifest["metrics"]["served_policy"])
    _print_messages(
        console, manifest["metrics"].get("messages"), (manifest.get("messages") or {}).get("reason")
    )
    label = manifest["data"]
    console.print(
        f"  data: [{_DATA_STYLE[label]}]{label}[/]   checks passed: {len(manifest['checks'])}   "
        f"assets run: {len(done.ran)}, reused: {len(done.reused)}"
    )


def _print_base_rates(console: Console, model: str, figures: Mapping[str, float]) -> None:
    """Print the share of events in each block of rows, where they are in date order."""
    rates = [value for name, value in figures.items() if name.startswith("base_rate_block_")]
    if rates:
        shares = ", ".join(f"{100 * rate:.1f}" for rate in rates)
        console.print(f"  {model}: base rate by block, in date order: {shares} %", highlight=False)


def _print_temporal(console: Console, model: str, figures: Mapping[str, float]) -> None:
    """Print the figures over time, where there are any: trained on the past, tested on later."""
    uses = {
        "ignored": "not used",
        "recalibrated": "used to recalibrate",
        "retrained": "trained on",
    }
    if f"temporal_{next(iter(uses))}_auc" not in figures:
        return
    table = Table(title=f"{model} over time (rolling, next block; much harder)")
    for name in ("latest block", "mean AUC in a block", "AUC pooled", "ECE pooled", "ECE at last"):
        table.add_column(name)
    for use, text in uses.items():
        names = ("mean_block_auc", "auc", "ece", "last_block_ece")
        table.add_row(text, *(f"{figures[f'temporal_{use}_{name}']:.3f}" for name in names))
    console.print(table)


def _print_policy(console: Console, figures: Mapping[str, float]) -> None:
    """Print the served policy's figures on held-out customers, by starting month and arrival."""
    table = Table(
        title=(
            f"Served policy, simulated: {figures['customers']:.0f} held-out customers, "
            f"{figures['scored_months']:.0f} months from each start, "
            f"{figures['replicates']:.0f} lives, M = {figures['horizon_months']:g} months"
        )
    )
    for name in ("from", "customers asked", "percent of headroom", "NRR", "budget spent"):
        table.add_column(name)
    suffix = "_headroom"
    for cell in (name.removesuffix(suffix) for name in figures if name.endswith(suffix)):
        month, arrival = cell.split("_", 1)
        mean, low, high = (100 * figures[f"{cell}_headroom{end}"] for end in ("", "_low", "_high"))
        table.add_row(
            month,
            arrival,
            f"{mean:.1f} [{low:.1f}, {high:.1f}]",
            f"{figures[f'{cell}_nrr']:.4f}",
            f"{100 * figures[f'{cell}_spent']:.1f} %",
        )
    console.print(table)
    console.print(
        f"  over {figures['prior_worlds']:.0f} worlds of the priors: "
        f"{figures['prior_mean_usd']:.2f} USD a customer more than without contacts, "
        f"5th percentile {figures['prior_p05_usd']:.2f}",
        highlight=False,
    )


def _print_messages(
    console: Console, figures: Mapping[str, float] | None, reason: str | None
) -> None:
    """Print the writer's figures on held-out prompts, and how far it was trained.

    Args:
        console: Where to print.
        figures: The manifest's figures of the messages; None where the release has templates alone.
        reason: Why it has these alone; None where it has a message bank.
    """
    if figures is None:
        console.print(f"  [bold yellow]no message bank[/]: {reason}", highlight=False)
        console.print(
            "  messages: vetted templates; `make demo-text` trains a writer for minutes, "
            "`make train-text PROFILE=local` in earnest"
        )
        return
    console.print(
        f"  messages: {100 * figures['strict_pass_rate']:.0f} % pass every rule at temperature 1 "
        f"(SFT {100 * figures['sft_strict_pass_rate']:.0f} %), win rate over SFT "
        f"{100 * figures['win_rate_over_sft']:.0f} % "
        f"[{100 * figures['win_rate_over_sft_low']:.0f}, ...], "
        f"{figures['violations']:.0f} violations in {figures['messages']:.0f} to be sent",
        highlight=False,
    )
    if not figures["full_scale"]:
        console.print(
            "  [bold yellow]text models at demo scale[/]: a few steps, which show that the loop "
            "works; no such message is for customers. `make train-text` trains them"
        )


def print_decisions(
    console: Console,
    answers: Sequence[Mapping[str, Any]],
    *,
    as_of: datetime,
    now: Sequence[Mapping[str, Any]],
) -> None:
    """Print the answers as a table with the reason for each, then the messages.

    Args:
        console: Where to print.
        answers: The examples as they were answered on the fixed day.
        as_of: The time (UTC) that these answers are of.
        now: The examples as they are answered at this moment: on another day, others may be due.
    """
    console.print(_decisions(f"Decisions (POST /retain) as of {as_of:%a %d %b %Y}", answers))
    for entry in answers:
        if entry["answer"]["message"]:
            _print_message(console, entry)
    console.rule()
    console.print(_decisions(f"Asked now, {datetime.now(UTC):%a %d %b %Y}", now))
    first = answers[0]["answer"]
    console.print(
        f"  release {first['release']['id'][:12]}   policy {first['policy']}   "
        f"data: [{_DATA_STYLE[first['data']]}]{first['data']}[/]"
    )


def _decisions(title: str, answers: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title, show_lines=True)
    for name in ("customer", "p(churn)", "decision", "p(accept)", "why"):
        table.add_column(name)
    for entry in answers:
        answer = entry["answer"]
        table.add_row(
            _title(entry),
            f"{answer['scores']['p_churn']:.3f}",
            _decision(answer),
            "\n".join(f"{pct} %: {p:.3f}" for pct, p in answer["scores"]["p_accept"].items()),
            _why(answer),
        )
    return table


def _title(entry: Mapping[str, Any]) -> str:
    return str(entry["example"]).replace("_", " ")


def _print_message(console: Console, entry: Mapping[str, Any]) -> None:
    """Print a message as the customer would get it, and when it may go out."""
    message = entry["answer"]["message"]
    writer = (message["checkpoint"] or "people")[:12]
    console.rule(f"message to '{_title(entry)}' ({message['rung']}, written by {writer})")
    console.print(
        message["text"] or "Nothing passed the shield: nothing is sent.",
        markup=False,
        highlight=False,
    )
    if window := message["send"]:
        places = window["zones"]
        where = places[0] if len(places) == 1 else f"any of {len(places)} zones"
        console.print(f"\n  to be sent {_hours(window)} ({where})", style="dim")


def _hours(window: Mapping[str, str]) -> str:
    opens, closes = (
        datetime.fromisoformat(window[name]).strftime("%a %d %b %H:%M")
        for name in ("opens", "closes")
    )
    return f"{opens} to {closes} UTC"


def print_where_next(console: Console, home: Path, summary: Mapping[str, Any]) -> None:
    """Print the commands and files to go on with."""
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in summary["seconds"].items())
    console.print(f"[bold]Done[/bold] ({seconds})")
    serve = "make serve" if summary["data"] == "real" else "CHURNSAVER_ALLOW_SAMPLE=1 make serve"
    for what, where in (
        ("graph and checks", "make ui, then http://localhost:3000"),
        ("API and its page", f"{serve}, then http://localhost:8000/docs"),
        ("pictures", f"{home}/assets/*_evaluation/*.png"),
        ("this run", f"{home}/demo.json"),
    ):
        console.print(f"  {what:<17} {where}", highlight=False)


def _interval(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name]:.4f} [{figures[f'{name}_low']:.4f}, {figures[f'{name}_high']:.4f}]"


def _decision(answer: Mapping[str, Any]) -> str:
    """Say what was decided, and when the message goes out."""
    decision = answer["decision"]
    if not decision["contact"]:
        return "no contact"
    days = decision["delay_days"]
    when = "today" if days == 0 else "in a day" if days == 1 else f"in {days} days"
    lines = [
        f"contact {when},",
        f"offer {decision['offer_pct']} % off",
        f"({decision['contact_on']})",
    ]
    if window := (answer["message"] or {}).get("send"):
        lines.append(f"message {_hours(window)}")
    return "\n".join(lines)


def _why(answer: Mapping[str, Any]) -> str:
    reasons = answer["reasons"]
    lines = [
        f"{driver['code']} = {driver['value']} {driver['effect']} the risk "
        f"({driver['contribution']:+.2f})"
        for driver in reasons["risk"]
    ]
    if reasons["cause"] == "exploration":
        lines.append("drawn for exploration")
    if reasons["constraints"]:
        lines.append(f"ruled out by: {', '.join(reasons['constraints'])}")
    if reasons["only_no_contact"]:
        lines.append("nothing but no contact was left")
    return "\n".join(lines)
