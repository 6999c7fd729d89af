"""``make demo``: deploy for real into the sandbox, let things happen, show what became of them."""
