"""A stand-in for the Azure Bot Service on one machine: Direct Line 3.0, the Bot Connector and a Web Chat page."""
