"""The proxy: bytes in, bytes out, and one settled ledger entry for each request that went upstream."""
