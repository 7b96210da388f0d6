"""What the shield says about a text."""

import msgspec


class Breach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule broken.

    Attributes:
        rule: its name in the rules file.
        found: what broke it, at most 40 characters; empty where something is missing.
    """

    rule: str
    found: str


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a text may be sent.

    Attributes:
        breaches: empty where it may; each rule at most once.
    """

    breaches: tuple[Breach, ...] = ()

    @property
    def passed(self) -> bool:
        """No rule is broken."""
        return not self.breaches

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules broken."""
        return tuple(breach.rule for breach in self.breaches)
