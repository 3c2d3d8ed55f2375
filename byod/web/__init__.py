"""What byod serves to other programs on this machine."""
