"""The options of a call that the next command needs too."""


def repeated(project_dir: str, target: str | None) -> str:
    """Return the options as they would be typed again, with a blank before them."""
    directory = f" --project-dir {project_dir}" if project_dir != "." else ""
    return directory + (f" --target {target}" if target else "")
