"""The figures of docs/evidence.md, each with the command that gives it."""
