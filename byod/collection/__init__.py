"""From the web, this machine and other people's annotations into a dataset."""
