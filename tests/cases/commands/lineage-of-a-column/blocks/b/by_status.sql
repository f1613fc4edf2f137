pivot orders on status using sum(gross)
