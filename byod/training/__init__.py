"""The parts that every training shares: the trainer's protocol, one fit, one order, one run folder."""
