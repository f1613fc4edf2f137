"""`sqlflow rollback`"""

import click

from sqlflow.cli.options import Place, environment_option, json_option, lock_timeout_option, project_options


@click.command("rollback")
@lock_timeout_option
@json_option
@project_options
@environment_option
def command(lock_timeout: float, output: str, place: Place) -> None:
    """Show again what the latest publish has replaced, in one transaction; nothing is built.

    Once more goes back further. The next build publishes what the project says: put it back too.
    """
    from sqlflow.cli import as_json, stopping
    from sqlflow.cli.output import echo
    from sqlflow.cli.terminal import listening
    from sqlflow.core.words import count

    project = place.load()
    with stopping.to_the_end():  # but while it waits
        if output == "json":
            echo(as_json.text(as_json.plain(project.rollback(lock_timeout=lock_timeout))))
            return
        with listening(quiet=False) as listener:
            done = project.rollback(lock_timeout=lock_timeout, listener=listener)
        echo(f"took back the run {done.undone}, published {str(done.published_at)[:19]} UTC")
        if done.put_back:
            echo(f"put back {count(len(done.put_back), 'relation')}: " + ", ".join(map(str, done.put_back)))
        if done.dropped:
            echo("dropped: " + ", ".join(map(str, done.dropped)))
