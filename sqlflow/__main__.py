"""The command `sqlflow`, which is `python -m sqlflow`."""

import signal


def main() -> None:
    """Run the command line. Ctrl-C ends the process without a word until the commands are there to hear it."""
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sqlflow.cli.main import run

    signal.signal(signal.SIGINT, heard)
    run()


if __name__ == "__main__":
    main()
