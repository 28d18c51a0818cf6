"""The house as docs/architecture.md draws it: who imports whom, how large its rooms are, and no state by global."""

import ast
import functools
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import ROOT


HOUSE = ("rnnkit", "experiments", "sweeps")
MOST_FILES, MOST_LINES = 15, 300

# Each package of rnnkit and all that it may import; whatever those import is allowed too.
BELOW = {
    "starting": set(),
    "core": set(),
    "sequences": {"core"},
    "datasets": {"sequences"},
    "runs": {"core"},
    "evaluation": {"sequences", "runs"},
    "nn": {"sequences"},
    "observation": {"nn"},
    "diagnostics": {"observation"},
    "mirror": {"runs"},
    "inference": {"nn", "runs", "datasets"},
    "training": {"diagnostics", "runs", "evaluation", "inference"},
}


@dataclass(frozen=True)
class Import:
    """A name that a module imports: `name` of the module `source`; the module itself where `name` is ""."""

    by: str
    line: int
    source: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {'.'.join(filter(None, (self.source, self.name)))}"


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository, from its root, as git knows them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no git checkout")
    return [Path(name) for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@functools.cache
def trees() -> dict[str, ast.Module]:
    """The modules of the house by name, parsed."""
    paths = tracked(*(f"{top}/*.py" for top in HOUSE))
    return {module_name(path): ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path)) for path in paths}


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports() -> Iterator[Import]:
    """All imports of modules of the house, those inside functions too."""
    for by, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (Import(by, node.lineno, alias.name) for alias in node.names if in_the_house(alias.name))
            elif isinstance(node, ast.ImportFrom):
                source = source_of(node, by)
                for name in [alias.name for alias in node.names] if in_the_house(source) else ():
                    is_module = f"{source}.{name}" in trees()
                    yield Import(by, node.lineno, *((f"{source}.{name}",) if is_module else (source, name)))


def source_of(node: ast.ImportFrom, by: str) -> str:
    """The module that a `from` names, where it is counted from the package of the module `by` too."""
    if not node.level:
        return node.module or ""
    parts = by.split(".") if is_package(by) else by.split(".")[:-1]
    return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])


def in_the_house(module: str) -> bool:
    return module.partition(".")[0] in HOUSE


def is_package(module: str) -> bool:
    return (ROOT / module.replace(".", "/")).is_dir()


def package(module: str, top: str) -> str | None:
    """The package or module right below `top` that a module belongs to; None elsewhere, and for `top` itself."""
    first, *rest = module.split(".")
    return rest[0] if first == top and rest else None


def graph(top: str) -> dict[str, set[str]]:
    """For each package or module right below `top`, those that it imports."""
    arrows: dict[str, set[str]] = {name: set() for module in trees() if (name := package(module, top))}
    for each in imports():
        start, end = package(each.by, top), package(each.source, top)
        if start and end and start != end:
            arrows[start].add(end)
    return arrows


def levels(arrows: dict[str, set[str]]) -> dict[str, int]:
    """How many packages stand one on the other below each one, itself included. Fails where there is a circle."""
    heights: dict[str, int] = {}

    def height(name: str, way: tuple[str, ...] = ()) -> int:
        assert name not in way, f"a circle of imports: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in heights:
            heights[name] = 1 + max((height(other, (*way, name)) for other in sorted(arrows[name])), default=0)
        return heights[name]

    for name in arrows:
        height(name)
    return heights


def listed(violations: Iterable[object]) -> str:
    return "\n".join(sorted(map(str, violations)))


def test_packages_of_rnnkit_import_only_what_stands_below_them():
    allowed: dict[str, set[str]] = {}
    for name, direct in BELOW.items():  # in an order in which each comes after what it may import
        allowed[name] = direct | set().union(*(allowed[other] for other in direct))
    arrows = graph("rnnkit")
    assert not arrows.keys() - BELOW.keys(), "a package that this test does not know: say what it may import"
    wrong = [
        each
        for each in imports()
        if (start := package(each.by, "rnnkit")) and (end := package(each.source, "rnnkit"))
        if end != start and end not in allowed[start]
    ]
    assert not wrong, listed(wrong)


def test_rnnkit_has_few_packages_on_few_floors():
    arrows = graph("rnnkit")
    assert len(arrows) <= 12
    assert max(levels(arrows).values()) <= 6, levels(arrows)


def test_sweeps_stand_on_experiments_and_these_on_rnnkit():
    wrong = [
        each
        for each in imports()
        if HOUSE.index(each.by.partition(".")[0]) < HOUSE.index(each.source.partition(".")[0])
    ]
    assert not wrong, listed(wrong)


def is_entry_point(module: str) -> bool:
    """Whether a module is run as a command: it asks whether it is `__main__`."""
    return any(isinstance(node, ast.Constant) and node.value == "__main__" for node in ast.walk(trees()[module]))


def test_sweeps_have_few_packages_and_no_circle():
    arrows = graph("sweeps")
    rooms = [name for name in arrows if is_package(f"sweeps.{name}") or not is_entry_point(f"sweeps.{name}")]
    assert len(rooms) <= 14, rooms
    levels(arrows)


def owner(each: Import) -> str:
    """The package that alone may import this; "" where everybody may. What is private in a package below is its own."""
    parts = [*each.source.split("."), *filter(None, [each.name])]
    hidden = [i for i, part in enumerate(parts) if part.startswith("_") and not part.endswith("__")]
    if parts[:3] == ["rnnkit", "nn", "kernels"]:
        return "rnnkit.nn"
    if not hidden:
        return ""
    room = ".".join(parts[: hidden[0]][:2])
    return room if is_package(room) else room.rpartition(".")[0]


def test_what_is_private_to_a_package_stays_in_it():
    wrong = [each for each in imports() if not f"{each.by}.".startswith(f"{owner(each)}.".lstrip("."))]
    assert not wrong, listed(wrong)


def test_packages_are_entered_by_their_face():
    """What another package offers is imported from its `__init__`, or is one of its modules, named before a dot.

    A data set is a file: these are the face of `datasets`.
    """

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    wrong = [each for each in imports() if each.name and room(each.by) != room(each.source)]
    wrong = [each for each in wrong if is_package(room(each.source)) and not is_package(each.source)]
    wrong = [each for each in wrong if room(each.source) != "rnnkit.datasets"]
    assert not wrong, listed(wrong)


def test_no_folder_has_too_many_files():
    folders: dict[Path, int] = defaultdict(int)
    for path in tracked():
        folders[path.parent] += 1
    crowded = {str(folder): count for folder, count in folders.items() if count > MOST_FILES}
    assert not crowded, f"more than {MOST_FILES} files: {crowded}"


def test_no_file_has_too_many_lines():
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in tracked("*.py")}
    long = {path: length for path, length in lengths.items() if length > MOST_LINES}
    assert not long, f"more than {MOST_LINES} lines: {long}"


def light_modules() -> list[str]:
    """The modules that a command line imports before it answers."""
    names = ["rnnkit", "rnnkit.training"]
    names += [module for module in trees() if package(module, "rnnkit") in ("core", "runs")]
    names += [module for module in trees() if module.count(".") == 1 and package(module, "experiments")]
    return [name for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize(
    ("modules", "heavy"), [(light_modules(), "torch"), (["sweeps.dashboard", "sweeps.web.app"], "scipy")]
)
def test_what_a_command_line_and_the_list_of_runs_import_is_light(modules, heavy):
    """A process imports them all, one by one, and names the first that brings along what takes a second."""
    code = "import importlib, sys\nfor name in sys.argv[2:]:\n    importlib.import_module(name)\n"
    code += "    if sys.argv[1] in sys.modules:\n        sys.exit(name)\n"
    command = [sys.executable, "-c", code, heavy, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# torch's functions that make tensors on the default device, and those that take the default type too.
_MADE = {"arange", "as_tensor", "asarray", "empty", "eye", "full", "linspace", "ones", "rand", "randint", "randn"}
_MADE |= {"randperm", "scalar_tensor", "tensor", "zeros"}
_OF_DEFAULT_TYPE = {"empty", "eye", "linspace", "ones", "rand", "randn", "zeros"}


def test_new_tensors_say_where_they_are_and_of_what_type():
    """Index arithmetic and data must not follow a default device or type that the user has set."""
    wrong = []
    for module, tree in trees().items():
        if module.startswith("experiments.building_blocks"):  # pages to read; they set nothing and are run alone
            continue
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(made := node.func, ast.Attribute)):
                continue
            if not (isinstance(made.value, ast.Name) and made.value.id == "torch" and made.attr in _MADE):
                continue
            told = {keyword.arg for keyword in node.keywords}  # None for a dictionary of them
            needed = {"device", "dtype"} if made.attr in _OF_DEFAULT_TYPE else {"device"}
            if None not in told and needed - told:
                wrong.append(f"{module}:{node.lineno} torch.{made.attr} without {', '.join(sorted(needed - told))}")
    assert not wrong, listed(wrong)


def test_no_state_travels_by_global_or_context_variable():
    wrong = []
    for module, tree in trees().items():
        for node in ast.walk(tree):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom):
                names = {node.module}
            if isinstance(node, ast.Global) or "contextvars" in names:
                wrong.append(f"{module}:{node.lineno}")
    assert not wrong, listed(wrong)
