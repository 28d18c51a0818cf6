"""What a sweep says of how far it is."""

from sweeps.study import points
from sweeps.study.progress import Progress
from tests.helpers import WORKER, new_study, tell


def test_points_that_are_not_planned_yet_are_not_said_to_be_done(tmp_path, capsys):
    study = new_study(tmp_path, sampler="random")
    study.ask_for(2)
    with Progress(study):
        pass
    assert capsys.readouterr().out == ""
    points.plan(study)
    tell(points.claim(study, WORKER), 0.5)
    with Progress(study):
        pass
    assert capsys.readouterr().out == f"Going on with study {study.folder.name}: 1 of 2 trials are done\n"
    study.ask_for(4)
    with Progress(study):
        pass
    assert "1 of 4 trials are done" in capsys.readouterr().out
