"""Tables of the ledger. Their history is in `migrations`; a test holds that both agree.

Money is kept in whole cents, so that sums are exact. Outcomes are never changed, and of a decision
only what has become of its contact. All other tables are running totals, changed in the transaction
that adds a decision or an outcome; so no request sums over the log.
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
    # Names of the rules that kept the policy from what it wanted.
    sa.Column("constraints", Json, nullable=False, server_default="[]"),
    sa.Column("only_no_contact", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("drivers", Json, nullable=False),
    # What the policy was told: multiplier, price of a place, and belief in the order of `SIGNALS`.
    sa.Column("multiplier", sa.Double, nullable=False, server_default="0"),
    sa.Column("capacity_price_usd", sa.Double, nullable=False, server_default="0"),
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
    # Open, accepted, refused, expired or cancelled; NULL without contact.
    sa.Column("contact_state", sa.String(9), nullable=True),
    # Stays where a contact was answered although it had been cancelled.
    sa.Column("cancelled_at", UtcDateTime, nullable=True),
    # Month whose account it is in, 2026-11; NULL without contact.
    sa.Column("contact_month", sa.String(7), nullable=True),
    # The commitment; 0 without contact.
    sa.Column("contact_cents", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("discount_cents", sa.BigInteger, nullable=False),
    sa.Column("mean_cents", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("variance", sa.BigInteger, nullable=False, server_default="0"),
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
    # For reports of a period; no request asks by it.
    sa.Index(None, "decided_at"),
    # A customer has one open contact at most.
    sa.Index(
        "ix_decisions_open_customer_id",
        "customer_id",
        unique=True,
        postgresql_where=sa.text("contact_state = 'open'"),
        sqlite_where=sa.text("contact_state = 'open'"),
    ),
    sa.Index(
        "ix_decisions_open_contact_on",
        "contact_on",
        postgresql_where=sa.text("contact_state = 'open'"),
        sqlite_where=sa.text("contact_state = 'open'"),
    ),
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

# What is known of each customer ever asked about; see `totals.customers`.
customers = sa.Table(
    "customers",
    metadata,
    sa.Column("customer_id", sa.String(128), primary_key=True),
    sa.Column("open_id", sa.String(36), nullable=True),
    sa.Column("open_on", sa.Date, nullable=True),
    sa.Column("refused_on", sa.Date, nullable=True),
    sa.Column("accepted_on", sa.Date, nullable=True),
    sa.Column("opted_out", sa.Boolean, nullable=False),
    sa.Column("churned_at", UtcDateTime, nullable=True),
    sa.Column("retained_at", UtcDateTime, nullable=True),
    sa.Column("asked_on", sa.Date, nullable=True),
    sa.Column("untouched_hazard", sa.Double, nullable=False),
    sa.Column("refused_hazard", sa.Double, nullable=False),
)

# Money of the contacts of a month, by the day of the contact.
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("month", sa.String(7), primary_key=True),  # 2026-11
    sa.Column("limit_cents", sa.BigInteger, nullable=False),
    sa.Column("spent_cents", sa.BigInteger, nullable=False),
    # Of the open contacts: expected cost, its variance, and the most that they can cost.
    sa.Column("mean_cents", sa.BigInteger, nullable=False),
    sa.Column("variance", sa.BigInteger, nullable=False),
    sa.Column("worst_cents", sa.BigInteger, nullable=False),
    # Charged to the following month, since it did not fit into this one.
    sa.Column("carried_cents", sa.BigInteger, nullable=False),
    sa.CheckConstraint(
        "spent_cents >= 0 AND mean_cents >= 0 AND variance >= 0 AND worst_cents >= 0 "
        "AND carried_cents >= 0",
        name="amounts",
    ),
)

# Decisions by the day (UTC) on which they were made.
days = sa.Table(
    "days",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("decisions", sa.Integer, nullable=False),
    sa.Column("contacts", sa.Integer, nullable=False),
    # Expected cost of those contacts.
    sa.Column("booked_cents", sa.BigInteger, nullable=False),
)

# Contacts booked by their own day.
capacity = sa.Table(
    "capacity",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("contacts", sa.Integer, nullable=False),
    sa.CheckConstraint("contacts >= 0", name="contacts"),
)

# What outcomes said of the models, by the month in which it became known.
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("signal", sa.String(24), primary_key=True),
    sa.Column("observed", sa.Double, nullable=False),
    sa.Column("expected", sa.Double, nullable=False),
)

# The day's prices, for each policy and budget that somebody decided under; a row never changes.
pacing = sa.Table(
    "pacing",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("release_id", sa.String(64), primary_key=True),
    sa.Column("policy", sa.String(64), primary_key=True),
    # The month's budget that it was set for.
    sa.Column("limit_cents", sa.BigInteger, primary_key=True, autoincrement=False),
    # The one told to the policy, and the one that the next day's moves on from.
    sa.Column("multiplier", sa.Double, nullable=False),
    sa.Column("kept", sa.Double, nullable=False),
    sa.Column("capacity_price_usd", sa.Double, nullable=False),
    sa.Column("asked_every_days", sa.Double, nullable=False),
    # What they were set from: expected cost and number of the contacts decided on since the row
    # before, contacts booked for later days, money of the month spent and expected to be, and the
    # tally's counts.
    sa.Column("booked_cents", sa.BigInteger, nullable=False),
    sa.Column("booked_contacts", sa.Integer, nullable=False),
    sa.Column("waiting_contacts", sa.Integer, nullable=False),
    sa.Column("expected_cents", sa.BigInteger, nullable=False),
    sa.Column("observed", Json, nullable=False),
    sa.Column("expected", Json, nullable=False),
    sa.Column("set_at", UtcDateTime, nullable=False),
    sa.CheckConstraint(
        "multiplier >= 0 AND kept >= 0 AND capacity_price_usd >= 0", name="multiplier"
    ),
)
