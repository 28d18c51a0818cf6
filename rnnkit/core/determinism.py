"""The same numbers again: at any number of threads, and as far as a GPU can promise it."""

import contextlib
import ctypes
import os
from pathlib import Path


# Matrix products that a library which does not keep the above divides among threads, as rows x inner x columns.
_TRIED = ((10, 64, 16), (512, 16, 24), (192, 4000, 64), (1000, 256, 1024))


TOO_LATE = (
    "results may depend on the number of threads: this process made a matrix product before the run, and the settings "
    "against that come too late; call rnnkit.core.determinism.settle_numerics() first"
)


def settle_numerics() -> None:
    """Ask the matrix library for results that do not depend on the number of threads, and idle threads to sleep.

    Threads that wait in a loop would take the cores from other runs. torch.nn's LSTM meets oneDNN, which keeps what it
    compiles for each shape, up to a MiB: 32 of them in place of 1,024. All are heard only before a process's first
    product or such kernel, so commands call this before anything else. A value that the user chose stays.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")


def settle(threads: int, gpu: bool) -> list[str]:
    """Set the process up for a run on so many threads, and return what cannot be promised of its bits, in sentences."""
    settle_numerics()  # commands have, before; whoever calls an experiment's `run` may not
    limits: list[str] = []
    products_on_one = False
    if in_force() is False:
        limits.append(TOO_LATE)
    elif threads > 1 and depend_on_threads(threads):
        # Processors other than Intel's do not heed `settle_numerics` for small products.
        products_on_one = True
        if depend_on_threads(threads, products_on_one):
            limits.append(
                "on this processor results depend on the number of threads: they are the same again with --threads "
                f"{threads} alone"
            )
    _set_threads(threads, products_on_one)
    if gpu:
        late = "" if _settle_gpu() else "; this process used the GPU before the run: not even that is certain"
        limits.append(
            "on a GPU the same bits come again on the same model of GPU with the same versions of its driver, CUDA and "
            f"torch, and nowhere else{late}"
        )
    return limits


def in_force() -> bool | None:
    """Whether the matrix library heeds what `settle_numerics` asks for; None where there is no MKL that could be asked.

    It reads MKL_CBWR once, at a process's first matrix product or at this question, whichever comes first.
    """
    library = _library()
    return None if library is None else library.mkl_serv_cbwr_get(-1) != 1  # 1: MKL_CBWR_BRANCH_OFF


def _library() -> ctypes.CDLL | None:
    """The matrix library MKL inside of torch; None in builds of torch with another one."""
    import torch

    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        _ = library.mkl_serv_cbwr_get, library.mkl_serv_set_num_threads_local
        return library
    return None


def _set_threads(threads: int, products_on_one: bool) -> None:
    """Have this process compute on so many threads, but its matrix products on one, if that is asked for."""
    import torch

    torch.set_num_threads(threads)  # sets the matrix library's too, so it comes first
    if products_on_one and (library := _library()) is not None:
        library.mkl_serv_set_num_threads_local(1)


def _settle_gpu() -> bool:
    """Ask for the same bits again from a GPU; False where it is too late, as the process has used the GPU before.

    cuBLAS and cuDNN's recurrent kernels need a workspace of a fixed size, which is read when they start, and torch has
    to take deterministic algorithms (PyTorch's notes on reproducibility). An operation that has none is not refused,
    as diagnostics may need it: torch names it in a warning.
    """
    import torch

    in_time = "CUBLAS_WORKSPACE_CONFIG" in os.environ or not torch.cuda.is_initialized()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False  # it would choose kernels by the clock
    return in_time


def depend_on_threads(threads: int, products_on_one: bool = False) -> bool:
    """Whether matrix products come out otherwise on `threads` threads than on one. Takes some milliseconds."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def drawn(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=generator, dtype=torch.float32, device="cpu")

    pairs = [(drawn(m, k), drawn(k, n)) for m, k, n in _TRIED]
    before = torch.get_num_threads()
    products: list[list[torch.Tensor]] = []
    try:
        for number in (1, threads):
            _set_threads(number, products_on_one)
            products.append([a @ b for a, b in pairs])
    finally:
        _set_threads(before, products_on_one=False)
    on_one, on_many = products
    return not all(map(torch.equal, on_one, on_many))
