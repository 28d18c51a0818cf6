"""What comes from outside of a run: records that were changed, clocks, signals, disks."""
