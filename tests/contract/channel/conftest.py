from tests.local_channel import ROOT, SECRET, Client, Program, bot, channel, free_port, program

__all__ = ["ROOT", "SECRET", "Client", "Program", "bot", "channel", "free_port", "program"]
