"""The command line: turns the app into text and back, and knows nothing else."""
