"""The service: runs pipelines by their schedules and triggers, and keeps the history of their runs."""
