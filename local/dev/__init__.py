"""What `dev.py` does; only the standard library, since it runs before anything is installed."""
