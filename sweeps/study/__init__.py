"""A study: its folder, its storage, its points, and the workers that carry them out."""

from sweeps.study import asked, budget, folders, identity, limits, local_workers, points, storage, suggestions
from sweeps.study.folders import MOST_TRIALS, StudyFolder
from sweeps.study.points import Claim
from sweeps.study.study import Study


__all__ = ["asked", "budget", "folders", "identity", "limits", "local_workers", "points", "storage", "suggestions"]
__all__ += ["MOST_TRIALS", "Claim", "Study", "StudyFolder"]
