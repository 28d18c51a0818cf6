"""The commit and the uncommitted changes that a manifest names, whatever git is told from outside."""

import os
import subprocess

import pytest

from rnnkit.runs.checkout import git_state


def git(folder, *words):
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def state(folder):
    return dict(git_state.__wrapped__(folder))


@pytest.fixture
def checkout(tmp_path):
    """A repository with one file, in one commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    (folder / "a.py").write_text("a = 1\n" * 30)
    git(folder, "add", "a.py")
    git(folder, "commit", "-m", "a")
    return folder


@pytest.fixture
def other(tmp_path):
    """Another repository."""
    git(tmp_path, "init", "other")
    git(tmp_path / "other", "commit", "--allow-empty", "-m", "x")
    return tmp_path / "other"


def test_uncommitted_changes_are_told_apart(checkout, tmp_path):
    assert state(tmp_path) == {"commit": None, "dirty": None, "changes": None}
    clean = state(checkout)
    assert (len(clean["commit"]), clean["dirty"], clean["changes"]) == (40, False, None)
    texts = ("a = 2\n", "a = 3\n", "a = 2\n")
    found = [state(checkout)["changes"] for text in texts if (checkout / "a.py").write_text(text)]
    assert found[0] == found[2] != found[1]
    (checkout / "b.py").write_text("b = 1\n")
    new = state(checkout)
    assert new["dirty"] is True
    assert len({*found, new["changes"]}) == 3
    (checkout / "b.py").write_text("b = 2\n")
    assert state(checkout)["changes"] != new["changes"]
    (checkout / ".#b.py").symlink_to("someone@machine.1:2")  # an editor's lock
    assert len(state(checkout)["changes"]) == 64


def test_what_is_no_python_makes_a_checkout_dirty_and_no_other_code(checkout):
    (checkout / "notes.txt").touch()
    assert (state(checkout)["dirty"], state(checkout)["changes"]) == (True, None)


def test_the_same_change_is_one_staged_or_not_and_with_either_line_end(checkout):
    (checkout / "a.py").write_text("a = 2\n")
    plain = state(checkout)
    git(checkout, "add", "a.py")
    assert state(checkout) == plain
    (checkout / "a.py").write_bytes(b"a = 2\r\n")
    assert state(checkout) == plain
    (checkout / "a.py").unlink()
    assert state(checkout)["changes"] not in (None, plain["changes"])


def test_git_in_a_folder_with_letters_and_names_of_any_kind(checkout):
    before = state(checkout)
    (checkout / os.fsdecode(b"caf\xc3\xa9 \n\xff.py")).write_text("x")
    assert state(checkout)["changes"] not in (None, before["changes"])


SETTINGS = ["color.ui=always", "color.diff=always", "color.status=always", "diff.noprefix=true", "diff.context=10"]
SETTINGS += ["diff.mnemonicPrefix=true", "diff.interHunkContext=20", "diff.algorithm=histogram", "diff.renames=copies"]
SETTINGS += ["diff.external=/bin/true", "diff.relative=true", "diff.orderFile=/dev/null", "core.quotePath=false"]
SETTINGS += ["core.pager=cat", "status.showUntrackedFiles=no", "status.short=true", "status.branch=true"]
SETTINGS += ["status.relativePaths=false", "core.excludesFile={}", "core.attributesFile={}", "diff.py.textconv=true"]
SETTINGS += ["core.fsmonitor=/bin/false", "core.worktree=/nonexistent", "alias.status=log"]


def test_no_setting_of_the_user_changes_what_is_said(checkout, tmp_path, monkeypatch):
    (tmp_path / "patterns").write_text("*.py diff=py\n*.py\n")
    (checkout / "a.py").write_text("a = 2\n" * 30)
    (checkout / "b.py").write_text("b = 1\n")
    plain = state(checkout)
    sections = [setting.format(tmp_path / "patterns").partition("=") for setting in SETTINGS]
    home = tmp_path / "home"
    home.mkdir()
    with (home / ".gitconfig").open("w") as file:
        for name, _, value in sections:
            section, _, key = name.rpartition(".")
            head, _, sub = section.partition(".")
            file.write(f"[{head}{f' {chr(34)}{sub}{chr(34)}' if sub else ''}]\n\t{key} = {value}\n")
    monkeypatch.setenv("HOME", str(home))
    assert state(checkout) == plain
    monkeypatch.delenv("HOME")
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(sections)))
    for number, (name, _, value) in enumerate(sections):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    assert state(checkout) == plain


def test_a_setting_of_the_repository_that_is_for_people_changes_nothing(checkout):
    (checkout / "a.py").write_text("a = 2\n" * 30)
    plain = state(checkout)
    for setting in ("color.ui=always", "diff.noprefix=true", "diff.mnemonicPrefix=true", "status.renames=copies"):
        git(checkout, "config", *setting.split("="))
    assert state(checkout) == plain


@pytest.mark.parametrize("changed", [False, True])
def test_no_variable_of_git_leads_to_another_repository(checkout, other, monkeypatch, changed):
    """A hook of git's has them set, and so has pre-commit."""
    if changed:
        (checkout / "a.py").write_text("a = 2\n")
    plain = state(checkout)
    for name, value in {
        "GIT_DIR": other / ".git",
        "GIT_WORK_TREE": other,
        "GIT_INDEX_FILE": other / "none",
        "GIT_OBJECT_DIRECTORY": other / ".git" / "objects",
        "GIT_COMMON_DIR": other / ".git",
        "GIT_NAMESPACE": "x",
        "GIT_CEILING_DIRECTORIES": checkout,
        "GIT_PREFIX": "x/",
        "GIT_EXTERNAL_DIFF": "/bin/true",
        "GIT_DIFF_OPTS": "-u0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TRACE": "1",
        "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1",
        "GIT_CONFIG_PARAMETERS": "'color.ui=always'",
        "LANG": "de_DE.UTF-8",
        "LANGUAGE": "de",
        "PAGER": "/bin/false",
    }.items():
        monkeypatch.setenv(name, str(value))
        assert state(checkout) == plain, name
