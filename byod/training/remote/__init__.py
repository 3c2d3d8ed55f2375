"""Trainers that live in another environment: the same contract, over JSON lines."""
