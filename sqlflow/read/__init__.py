"""First floor: from files to blocks. Reads the disk, writes nothing, runs nothing that a user wrote but templates."""
