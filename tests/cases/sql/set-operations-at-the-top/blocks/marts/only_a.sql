from a except from b
