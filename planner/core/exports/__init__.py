"""The ledger as tables for others: FOCUS, a row a cost line, and a flat one, a row an entry."""
