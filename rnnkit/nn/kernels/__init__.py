"""The kernels of the recurrent layers: private to `rnnkit.nn`."""
