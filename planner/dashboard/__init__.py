"""The dashboard: pages over the ledger's sums, made by a process of their own and served beside the proxy."""
