"""What touches a stranger's server or reads its answers: guarded connections, turns, opt-outs, questions to APIs."""
