"""``make demo-org``: deploy for real for an organization of accounts in the sandbox, and show what becomes of them."""
