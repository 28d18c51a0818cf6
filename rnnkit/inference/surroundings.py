"""What a process has set of torch for itself, a notebook say, kept out of a run."""

import contextlib
from collections.abc import Generator


def flushes_denormals() -> bool:
    """Whether numbers too small for full precision count as 0 in this thread, which torch does not say."""
    import torch

    return (torch.tensor(2e-38, dtype=torch.float32, device="cpu") / 4).item() == 0.0


@contextlib.contextmanager
def kept_out() -> Generator[None, None, None]:
    """Inside, new tensors are float32 and on the CPU unless they say otherwise, and operations have gradients.

    Default type and device, inference mode, `no_grad`, autocast, the precision of float32's products and whether oneDNN
    is used are afterwards what they were. A run's numbers depend on none of them.
    """
    import torch

    default = torch.get_default_dtype()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":  # a mode that sees each call of torch: only where it is needed
            stack.enter_context(torch.device("cpu"))
        if not torch.backends.mkldnn.enabled:  # torch.nn's LSTM has other bits without
            stack.callback(torch.backends.mkldnn.set_flags, False)
            torch.backends.mkldnn.set_flags(True)
        with contextlib.suppress(RuntimeError):  # set in the old way and in the new one: torch does not say which holds
            if (precision := torch.get_float32_matmul_precision()) != "highest":
                stack.callback(torch.set_float32_matmul_precision, precision)
                torch.set_float32_matmul_precision("highest")
        stack.callback(torch.set_default_dtype, default)
        torch.set_default_dtype(torch.float32)
        yield
