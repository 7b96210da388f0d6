"""The ledger's database: connections, tables, and their migrations. No rule of business here."""
