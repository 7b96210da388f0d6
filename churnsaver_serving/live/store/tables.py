"""Tables of the ledger. Their history is in `migrations`; a test holds that both agree.

Money is kept in whole cents, so that sums are exact. Decisions and outcomes are never changed.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A point in time. SQLite has no time zones: there it is stored as UTC without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Convert to what the database stores."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: sa.Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> datetime | None:
        """Convert from what the database stores."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("customer_id", sa.String(128), nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False),
    sa.Column("contact", sa.Boolean, nullable=False),
    sa.Column("offer_pct", sa.Integer, nullable=False),
    sa.Column("delay_days", sa.Integer, nullable=False),
    sa.Column("contact_on", sa.Date, nullable=True),
    sa.Column("p_churn", sa.Double, nullable=False),
    sa.Column("p_accept", Json, nullable=False),
    # Of the offer that was made; NULL without contact.
    sa.Column("p_accept_offered", sa.Double, nullable=True),
    sa.Column("customer", Json, nullable=False),
    sa.Column("context", Json, nullable=False),
    sa.Column("eligible", Json, nullable=False),
    sa.Column("probabilities", Json, nullable=False),
    sa.Column("action", sa.Integer, nullable=False),
    sa.Column("propensity", sa.Double, nullable=False),
    sa.Column("uniform", sa.Double, nullable=False),
    sa.Column("cause", sa.String(16), nullable=False),
    sa.Column("constraint_bound", sa.String(16), nullable=True),
    sa.Column("drivers", Json, nullable=False),
    # What the policy was told: multiplier, and belief in the order of `SIGNALS`.
    sa.Column("multiplier", sa.Double, nullable=False, server_default="0"),
    sa.Column("belief", Json, nullable=False, server_default="[0.0, 0.0, 0.0]"),
    # What was to be sent, all NULL without contact; the text itself is in the answer.
    sa.Column("message_rung", sa.String(16), nullable=True),
    sa.Column("message_id", sa.String(16), nullable=True),
    sa.Column("message_context", sa.String(64), nullable=True),
    sa.Column("message_verdicts", Json, nullable=True),
    sa.Column("message_checkpoint", sa.String(64), nullable=True),
    sa.Column("bank_checkpoint", sa.String(64), nullable=True),
    sa.Column("shield_sha256", sa.String(64), nullable=True),
    sa.Column("templates_sha256", sa.String(64), nullable=True),
    # The most that the decision can cost, and the part of it that a refusal gives back.
    sa.Column("reserve_cents", sa.BigInteger, nullable=False),
    sa.Column("discount_cents", sa.BigInteger, nullable=False),
    sa.Column("budget_remaining_cents", sa.BigInteger, nullable=False),
    sa.Column("policy", sa.String(64), nullable=False),
    sa.Column("release_id", sa.String(64), nullable=False),
    sa.Column("data", sa.String(8), nullable=False),
    sa.Column("idempotency_key", sa.String(128), nullable=True, unique=True),
    sa.Column("request_sha256", sa.String(64), nullable=False),
    # Exactly what was answered.
    sa.Column("answer", sa.Text, nullable=False),
    sa.CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
    sa.CheckConstraint("contact = (contact_on IS NOT NULL)", name="contact_on"),
    sa.Index(None, "customer_id", "contact_on"),
    # Everything the tally asks about all decisions of a month, so that it reads no wide rows.
    sa.Index(None, "decided_at", "customer_id", "contact_on", "p_churn"),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("decision_id", sa.ForeignKey("decisions.id"), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    # Copied from the decision: opt-outs are looked up by customer.
    sa.Column("customer_id", sa.String(128), nullable=False),
    sa.Column("observed_at", UtcDateTime, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Index(None, "customer_id", "kind"),
    sa.Index(None, "kind", "observed_at"),
)

budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("period", sa.String(7), primary_key=True),  # calendar month, UTC: 2026-11
    sa.Column("limit_cents", sa.BigInteger, nullable=False),
    sa.Column("committed_cents", sa.BigInteger, nullable=False),
    sa.CheckConstraint("committed_cents >= 0", name="committed"),
)

# The day's multiplier of each policy that is paced; a row never changes.
pacing = sa.Table(
    "pacing",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("release_id", sa.String(64), primary_key=True),
    sa.Column("policy", sa.String(64), primary_key=True),
    sa.Column("period", sa.String(7), nullable=False),
    sa.Column("multiplier", sa.Double, nullable=False),
    # What it was set from: money left, customers decided on before, and the tally's counts.
    sa.Column("remaining_cents", sa.BigInteger, nullable=False),
    sa.Column("customers", sa.Integer, nullable=False),
    sa.Column("observed", Json, nullable=False),
    sa.Column("expected", Json, nullable=False),
    sa.Column("set_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("multiplier >= 0", name="multiplier"),
)

capacity = sa.Table(
    "capacity",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("contacts", sa.Integer, nullable=False),
    sa.CheckConstraint("contacts >= 0", name="contacts"),
)
