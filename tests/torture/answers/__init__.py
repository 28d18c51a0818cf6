"""Answers, comparisons and tables of 1,000 simulated studies whose truth is known: how often they are wrong.

Each study has a metric of some kind, true means of its configurations (all alike, close, or far apart), and runs drawn
around them: Beta where values are shares, lognormal where they are positive, normal where they have no ends. The spread
between seeds differs from configuration to configuration by up to twice.

python -m tests.torture.answers --studies 1000
"""
