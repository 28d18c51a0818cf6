"""What shows runs and studies reads and draws with: their records as they lie on the disk, and the charts of them.

Nothing here writes, and nothing that lies in a folder of runs, whole or broken, can stop it.
"""
