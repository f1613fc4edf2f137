select user as who
