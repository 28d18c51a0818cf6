"""Pictures of a study, from the facts of `summary`: the plane, the search, the best again, importances."""

from pathlib import Path

from rnnkit.core.wording import in_words


def draw(facts: dict, folder: Path) -> None:
    """Write the pictures there is something for into `folder`, as PNG; those of before go."""
    from matplotlib.figure import Figure

    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.png"):
        path.unlink()
    for name, picture in (("plane", plane), ("search", search), ("again", again), ("importances", importances)):
        figure = Figure(figsize=(6, 4), layout="constrained")
        if picture(facts, figure.subplots()):
            figure.savefig(folder / f"{name}.png", dpi=120, metadata={"Software": None})


def plane(facts: dict, axes) -> bool:
    """The values by hidden size and depth, their parameter counts below them."""
    sizes = sorted({cell["hidden_size"] for cell in facts["plane"]})
    depths = sorted({cell["depth"] for cell in facts["plane"]})
    filled = [cell for cell in facts["plane"] if cell["value"] is not None]
    if len(filled) < 2:
        return False
    values = [[float("nan")] * len(depths) for _ in sizes]
    for cell in filled:
        values[sizes.index(cell["hidden_size"])][depths.index(cell["depth"])] = cell["value"]
    image = axes.imshow(values, aspect="auto", cmap="viridis_r" if facts["lower_is_better"] else "viridis")
    low, high = image.get_clim()
    for cell in filled:
        place = depths.index(cell["depth"]), sizes.index(cell["hidden_size"])
        dark = (cell["value"] < (low + high) / 2) != facts["lower_is_better"]
        count = "" if cell["parameters"] is None else f"\n{cell['parameters']:,}"
        axes.annotate(f"{cell['value']:.4f}{count}", place, ha="center", va="center", color="w" if dark else "k")
    axes.set(xticks=range(len(depths)), xticklabels=depths, yticks=range(len(sizes)), yticklabels=sizes)
    axes.set(xlabel="depth", ylabel="hidden size", title=f"{in_words(facts['metric'])} (and parameters)")
    axes.figure.colorbar(image)
    return True


def search(facts: dict, axes) -> bool:
    """Each trial's value, and the best so far."""
    pick = min if facts["lower_is_better"] else max
    best: list[float] = []
    numbers = []
    for state, marker in (("complete", "o"), ("pruned", "x")):
        found = [trial for trial in facts["list"] if trial["state"] == state and trial["value"] is not None]
        if found:
            axes.plot([t["trial"] for t in found], [t["value"] for t in found], marker, label=state, alpha=0.8)
    for trial in facts["list"]:
        if trial["state"] == "complete":
            best.append(pick([*best[-1:], trial["value"]]))
            numbers.append(trial["trial"])
    if not best:
        return False
    axes.step(numbers, best, where="post", label="best so far")
    axes.set(xlabel="trial", ylabel=in_words(facts["metric"]), title=f"study {facts['study']}")
    axes.legend()
    return True


def again(facts: dict, axes) -> bool:
    """What was run again: the value each was found with, those on fresh seeds, their mean and its interval."""
    for place, row in enumerate(facts["confirmed"]):
        seeds = list(row["values"].values())
        axes.plot(seeds, [place] * len(seeds), "o", color="C0", alpha=0.6, label="fresh seeds" if not place else None)
        axes.plot(row["found"], place, "x", color="C3", label="found with" if not place else None)
        if row["low"] is not None:
            axes.errorbar(row["mean"], place, xerr=row["mean"] - row["low"], fmt="|", color="k", capsize=4)
    rows = facts["confirmed"]
    if rows:
        axes.set(yticks=range(len(rows)), yticklabels=[f"trial {row['trial']}" for row in rows])
        axes.set(xlabel=in_words(facts["metric"]), title="the best again, with 95 % intervals")
        axes.invert_yaxis()
        axes.legend()
    return bool(rows)


def importances(facts: dict, axes) -> bool:
    """How much of the variation each setting accounts for."""
    names = [name.replace("_", " ") for name in facts["importances"]]
    axes.barh(names, list(facts["importances"].values()))
    axes.set(xlabel="share of the variation over finished trials", title="importances")
    axes.invert_yaxis()
    return bool(names)
