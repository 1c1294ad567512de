"""What every request passes, whichever route it goes to."""
