"""Second floor: from a Project to a Plan. Pure: nothing here reads a file or a warehouse."""
