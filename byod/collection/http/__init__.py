"""Requests to strangers' servers and APIs: guarded connections, a schedule by host, opt-outs, replies."""
