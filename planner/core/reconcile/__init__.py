"""The ledger against Anthropic's bill: what differs, and which evidence explains how much of it."""
