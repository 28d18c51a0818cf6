"""Files of one's own, read line by line, with errors that name the place."""
