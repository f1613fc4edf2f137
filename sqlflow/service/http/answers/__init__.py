"""What each endpoint answers: functions from a call, read and checked, to plain data."""
