"""Lives of contacts, accounts by the contact's month, and running totals in place of scans."""

# ruff: noqa: S608 - the parts that statements are made of stand in this file

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_MOMENT = sa.DateTime(timezone=True)
_OPEN = sa.text("contact_state = 'open'")
_QUOTED_OPEN, _UNACCEPTED = "'open'", "'refused', 'expired'"
# An answer older than this was not waited for by any rule before, and is by none to come.
_ANSWER_DAYS = 14

_SQL = {
    "sqlite": {
        "month": "substr(contact_on, 1, 7)",
        "overdue": f"contact_on < date('now', '-{_ANSWER_DAYS} days')",
        "day": "date(decided_at)",
        "accepted_on": "date(max(observed_at))",
        "up": "CAST({0} AS INTEGER) + ({0} > CAST({0} AS INTEGER))",
        "one_rule": "json_array(constraint_bound)",
        "first_rule": "json_extract(constraints, '$[0]')",
        "period": "strftime('%Y-%m', decided_at)",
    },
    "postgresql": {
        "month": "to_char(contact_on, 'YYYY-MM')",
        "overdue": f"contact_on < CURRENT_DATE - {_ANSWER_DAYS}",
        "day": "CAST(decided_at AT TIME ZONE 'UTC' AS DATE)",
        "accepted_on": "CAST(max(observed_at) AT TIME ZONE 'UTC' AS DATE)",
        "up": "CAST(ceil({0}) AS BIGINT)",
        "one_rule": "jsonb_build_array(constraint_bound)",
        "first_rule": "constraints ->> 0",
        "period": "to_char(decided_at AT TIME ZONE 'UTC', 'YYYY-MM')",
    },
}

_COLUMNS = (
    sa.Column("constraints", _JSON, nullable=False, server_default="[]"),
    sa.Column("only_no_contact", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("contact_state", sa.String(9), nullable=True),
    sa.Column("cancelled_at", _MOMENT, nullable=True),
    sa.Column("contact_month", sa.String(7), nullable=True),
    sa.Column("capacity_price_usd", sa.Double, nullable=False, server_default="0"),
    sa.Column("contact_cents", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("mean_cents", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("variance", sa.BigInteger, nullable=False, server_default="0"),
)


def upgrade() -> None:
    """Add columns and tables, and fill them from the log.

    A contact is accepted or refused as its outcomes say. Of a customer's others the latest is open
    unless it was made long ago; the rest count as not answered. Accounts hold what the contacts of
    their month cost, under the limit that was in force; pacing and belief begin anew.
    """
    sql = _SQL[op.get_bind().dialect.name]
    for column in _COLUMNS:
        op.add_column("decisions", column)
    _fill_decisions(sql)
    for name in ("constraint_bound", "reserve_cents"):
        op.drop_column("decisions", name)
    op.drop_index(op.f("ix_decisions_decided_at_customer_id_contact_on_p_churn"), "decisions")
    op.create_index(op.f("ix_decisions_decided_at"), "decisions", ["decided_at"])
    _create_open_index("customer_id", unique=True)
    _create_open_index("contact_on", unique=False)
    op.drop_table("pacing")
    _create_tables()
    _fill_tables(sql)
    op.drop_table("budgets")


def downgrade() -> None:
    """Take them away again; budgets are what the decisions of their month may cost."""
    sql = _SQL[op.get_bind().dialect.name]
    op.create_table(
        "budgets",
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("limit_cents", sa.BigInteger, nullable=False),
        sa.Column("committed_cents", sa.BigInteger, nullable=False),
        sa.CheckConstraint("committed_cents >= 0", name=op.f("ck_budgets_committed")),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_budgets")),
    )
    op.add_column("decisions", sa.Column("constraint_bound", sa.String(16), nullable=True))
    op.add_column(
        "decisions",
        sa.Column("reserve_cents", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.execute(
        f"UPDATE decisions SET constraint_bound = {sql['first_rule']}, "
        "reserve_cents = contact_cents + discount_cents"
    )
    op.execute(
        "INSERT INTO budgets (period, limit_cents, committed_cents) "
        "SELECT month, limit_cents, 0 FROM accounts"
    )
    op.execute(
        "UPDATE budgets SET committed_cents = COALESCE((SELECT SUM(CASE "
        "WHEN contact_state IN ('open', 'accepted') THEN reserve_cents "
        "WHEN contact_state = 'cancelled' THEN 0 ELSE contact_cents END) "
        f"FROM decisions WHERE contact AND {sql['period']} = budgets.period), 0)"
    )
    for index in ("open_contact_on", "open_customer_id", "decided_at"):
        op.drop_index(op.f(f"ix_decisions_{index}"), "decisions")
    for column in reversed(_COLUMNS):
        op.drop_column("decisions", column.name)
    op.create_index(
        op.f("ix_decisions_decided_at_customer_id_contact_on_p_churn"),
        "decisions",
        ["decided_at", "customer_id", "contact_on", "p_churn"],
    )
    for table in ("customers", "accounts", "days", "tallies", "pacing"):
        op.drop_table(table)
    _create_earlier_pacing()


def _create_open_index(column: str, *, unique: bool) -> None:
    op.create_index(
        op.f(f"ix_decisions_open_{column}"),
        "decisions",
        [column],
        unique=unique,
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )


def _fill_decisions(sql: dict[str, str]) -> None:
    discount = "p_accept_offered * discount_cents"
    spread = "p_accept_offered * (1 - p_accept_offered) * discount_cents * discount_cents"
    op.execute(
        f"UPDATE decisions SET constraints = {sql['one_rule']} WHERE constraint_bound IS NOT NULL"
    )
    op.execute(
        f"UPDATE decisions SET contact_month = {sql['month']}, "
        "contact_cents = reserve_cents - discount_cents, "
        f"mean_cents = reserve_cents - discount_cents + {sql['up'].format(f'({discount})')}, "
        f"variance = {sql['up'].format(f'({spread})')} WHERE contact"
    )
    for kind in ("accepted", "refused"):
        op.execute(
            f"UPDATE decisions SET contact_state = '{kind}' WHERE contact AND EXISTS (SELECT 1 "
            f"FROM outcomes WHERE decision_id = decisions.id AND kind = '{kind}')"
        )
    op.execute(
        "UPDATE decisions SET contact_state = 'expired' "
        f"WHERE contact AND contact_state IS NULL AND {sql['overdue']}"
    )
    op.execute(
        "UPDATE decisions SET contact_state = 'expired' WHERE contact AND contact_state IS NULL "
        "AND EXISTS (SELECT 1 FROM decisions AS later WHERE later.contact "
        "AND later.customer_id = decisions.customer_id AND later.contact_state IS NULL "
        "AND (later.contact_on > decisions.contact_on "
        "OR (later.contact_on = decisions.contact_on AND later.id > decisions.id)))"
    )
    op.execute(
        "UPDATE decisions SET contact_state = 'open' WHERE contact AND contact_state IS NULL"
    )


def _fill_tables(sql: dict[str, str]) -> None:
    told = (
        "(SELECT max(observed_at) FROM outcomes WHERE customer_id = c.customer_id AND kind = '{0}')"
    )
    accepted_on = told.format("accepted").replace("max(observed_at)", sql["accepted_on"])
    latest = (
        "(SELECT {0} FROM decisions WHERE customer_id = c.customer_id AND contact_state IN ({1}))"
    )
    op.execute(
        "INSERT INTO customers (customer_id, open_id, open_on, refused_on, accepted_on, "
        "opted_out, churned_at, retained_at, untouched_hazard, refused_hazard) "
        f"SELECT c.customer_id, {latest.format('max(id)', _QUOTED_OPEN)}, "
        f"{latest.format('max(contact_on)', _QUOTED_OPEN)}, "
        f"{latest.format('max(contact_on)', _UNACCEPTED)}, {accepted_on}, "
        f"{told.format('opted_out')} IS NOT NULL, {told.format('churned')}, "
        f"{told.format('retained')}, 0, 0 FROM (SELECT DISTINCT customer_id FROM decisions) AS c"
    )
    op.execute("UPDATE customers SET refused_on = NULL WHERE accepted_on >= refused_on")
    op.execute(
        "INSERT INTO days (day, decisions, contacts, booked_cents) "
        f"SELECT {sql['day']}, count(*), count(contact_on), sum(mean_cents) "
        f"FROM decisions GROUP BY {sql['day']}"
    )
    still_open = "coalesce(sum(CASE WHEN d.contact_state = 'open' THEN {0} END), 0)"
    op.execute(
        "INSERT INTO accounts (month, limit_cents, spent_cents, mean_cents, variance, worst_cents, "
        "carried_cents) SELECT m.month, coalesce((SELECT limit_cents FROM budgets WHERE period = "
        "m.month), (SELECT limit_cents FROM budgets ORDER BY period DESC LIMIT 1), 0), "
        "coalesce(sum(CASE WHEN d.contact_state = 'accepted' THEN d.contact_cents + "
        "d.discount_cents WHEN d.contact_state IN ('refused', 'expired') THEN d.contact_cents "
        f"END), 0), {still_open.format('d.mean_cents')}, {still_open.format('d.variance')}, "
        f"{still_open.format('d.contact_cents + d.discount_cents')}, 0 "
        "FROM (SELECT contact_month AS month FROM decisions WHERE contact "
        "UNION SELECT period FROM budgets) AS m "
        "LEFT JOIN decisions AS d ON d.contact_month = m.month GROUP BY m.month"
    )


def _create_tables() -> None:
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.String(128), nullable=False),
        sa.Column("open_id", sa.String(36), nullable=True),
        sa.Column("open_on", sa.Date, nullable=True),
        sa.Column("refused_on", sa.Date, nullable=True),
        sa.Column("accepted_on", sa.Date, nullable=True),
        sa.Column("opted_out", sa.Boolean, nullable=False),
        sa.Column("churned_at", _MOMENT, nullable=True),
        sa.Column("retained_at", _MOMENT, nullable=True),
        sa.Column("asked_on", sa.Date, nullable=True),
        sa.Column("untouched_hazard", sa.Double, nullable=False),
        sa.Column("refused_hazard", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customers")),
    )
    op.create_table(
        "accounts",
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("limit_cents", sa.BigInteger, nullable=False),
        sa.Column("spent_cents", sa.BigInteger, nullable=False),
        sa.Column("mean_cents", sa.BigInteger, nullable=False),
        sa.Column("variance", sa.BigInteger, nullable=False),
        sa.Column("worst_cents", sa.BigInteger, nullable=False),
        sa.Column("carried_cents", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "spent_cents >= 0 AND mean_cents >= 0 AND variance >= 0 AND worst_cents >= 0 "
            "AND carried_cents >= 0",
            name=op.f("ck_accounts_amounts"),
        ),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_accounts")),
    )
    op.create_table(
        "days",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("decisions", sa.Integer, nullable=False),
        sa.Column("contacts", sa.Integer, nullable=False),
        sa.Column("booked_cents", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_days")),
    )
    op.create_table(
        "tallies",
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("signal", sa.String(24), nullable=False),
        sa.Column("observed", sa.Double, nullable=False),
        sa.Column("expected", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("month", "signal", name=op.f("pk_tallies")),
    )
    op.create_table(
        "pacing",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("release_id", sa.String(64), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("limit_cents", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("multiplier", sa.Double, nullable=False),
        sa.Column("kept", sa.Double, nullable=False),
        sa.Column("capacity_price_usd", sa.Double, nullable=False),
        sa.Column("asked_every_days", sa.Double, nullable=False),
        sa.Column("booked_cents", sa.BigInteger, nullable=False),
        sa.Column("booked_contacts", sa.Integer, nullable=False),
        sa.Column("waiting_contacts", sa.Integer, nullable=False),
        sa.Column("expected_cents", sa.BigInteger, nullable=False),
        sa.Column("observed", _JSON, nullable=False),
        sa.Column("expected", _JSON, nullable=False),
        sa.Column("set_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "multiplier >= 0 AND kept >= 0 AND capacity_price_usd >= 0",
            name=op.f("ck_pacing_multiplier"),
        ),
        sa.PrimaryKeyConstraint(
            "day", "release_id", "policy", "limit_cents", name=op.f("pk_pacing")
        ),
    )


def _create_earlier_pacing() -> None:
    op.create_table(
        "pacing",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("release_id", sa.String(64), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("multiplier", sa.Double, nullable=False),
        sa.Column("remaining_cents", sa.BigInteger, nullable=False),
        sa.Column("customers", sa.Integer, nullable=False),
        sa.Column("observed", _JSON, nullable=False),
        sa.Column("expected", _JSON, nullable=False),
        sa.Column("set_at", _MOMENT, nullable=False),
        sa.CheckConstraint("multiplier >= 0", name=op.f("ck_pacing_multiplier")),
        sa.PrimaryKeyConstraint("day", "release_id", "policy", name=op.f("pk_pacing")),
    )
