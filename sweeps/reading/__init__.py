"""What lies in a folder of runs, read for whoever shows it."""
