"""`python -m sqlflow` is `sqlflow`."""

from sqlflow.cli.main import main

main()
