"""How a policy plays in the simulator: the protocol, the execution, and its pacing."""
