"""`python -m byod` is the `byod` command."""

from byod.cli import main

main()
