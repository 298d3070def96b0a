"""usd format plugin."""
