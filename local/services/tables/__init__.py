"""The Azure Table service's REST protocol on SQLite, for one machine."""
