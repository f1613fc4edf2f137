"""`sqlflow serve`"""

import click

from sqlflow.cli.history import Folder, folder_options


@click.command("serve")
@click.option(
    "--host", default="127.0.0.1", metavar="ADDRESS",
    help="The address to listen at; any but this machine's own needs a token.  [default: 127.0.0.1]",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8750, metavar="PORT",
    help="The port to listen at; 0 is any that is free.  [default: 8750]",
)  # fmt: skip
@click.option(
    "--allow-host", multiple=True, metavar="NAME",
    help="A name by which callers may call, such as that of a proxy; can be given several times.",
)  # fmt: skip
@click.option("--no-http", is_flag=True, help="Listen at no port: schedules and triggers alone, but for webhooks.")
@folder_options
def command(host: str, port: int, allow_host: tuple[str, ...], no_http: bool, folder: Folder) -> None:
    """Run the project's pipelines by their schedules and triggers, and answer the HTTP API, until stopped.

    Each run is a process of its own. The files are the only truth: what is saved is loaded at once. Ctrl-C ends the
    service and its runs, which go on with the next service. Calls of the API need a token: `.sqlflow/service.token`
    holds one, which the owner of that file alone can read, and `sqlflow token new` makes more.
    """
    from contextlib import ExitStack
    from datetime import UTC, datetime

    from sqlflow.cli.output import echo
    from sqlflow.service.installed import needed
    from sqlflow.service.service import Service

    needed("sqlflow serve")
    from sqlflow.service.http.answering import answering
    from sqlflow.service.http.metrics import Metrics
    from sqlflow.service.http.server import Address
    from sqlflow.service.notices import Notices

    def tell(message: str) -> None:
        echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {message}")

    with folder.history() as history, ExitStack() as stack:
        service = Service(folder.root.resolve(), history, tell)
        metrics = Metrics(service)
        if not no_http:
            stack.enter_context(answering(service, Address(host, port, allow_host), metrics))
        stack.enter_context(
            Notices(history, service.pipelines, service.notifications, tell, [metrics.ended], folder.flags)
        )
        service.run()
