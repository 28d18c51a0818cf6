"""Look inside recurrent layers while they run: states, gates, total gradients through time."""

from rnnkit.observation.observe import Trace, observe
from rnnkit.observation.trace import Carried, LayerTrace


__all__ = ["Trace", "observe"]
__all__ += ["Carried", "LayerTrace"]
