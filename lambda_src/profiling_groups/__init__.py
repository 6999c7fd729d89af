"""What runs in Lambda: one flat package, one question (`reconcile`) asked the same way from every entry point."""
