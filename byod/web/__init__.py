"""The HTTP services for other programs on this machine."""
