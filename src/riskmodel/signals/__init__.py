"""What each signal is worth: the loss without it, its advice, and the configuration that leaves it out."""
