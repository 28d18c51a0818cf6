"""What everything else stands on: settings, command lines, errors, files, seeds. Imports no torch."""
