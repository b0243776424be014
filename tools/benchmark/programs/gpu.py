"""What the programs on a GPU count by; it needs Python alone, as `worker`."""

# Dense bfloat16 of the maker's data sheets, by what a device's name begins
# with. The H100 that has HBM3, and the H200.
_PEAK_FLOPS = {"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H200": 989e12}


def model_facts(device: str, model, config: dict) -> dict:
    """Returns `flops_facts` of a model of this project.

    Args:
        device: The name of the GPU.
        model: A built `GPTModel`.
        config: Fields of `TrainConfig`.
    """
    parameters = model.count_params()
    if model.position == "learned":
        parameters -= config["max_length"] * config["d_model"]
    return flops_facts(device, parameters, config)


def flops_facts(device: str, parameters: int, config: dict) -> dict:
    """Returns what turns tokens a second into a share of what a GPU can.

    A token takes 6 operations a parameter and 12 num_layers d_model length
    for attention, forward and backward. What causality hides is not taken
    off, and what is computed twice is not added.

    Args:
        device: The name of the GPU.
        parameters: All but the table of positions, as of nanoGPT's
            `get_num_params`.
        config: Fields of `TrainConfig`.

    Returns:
        `"flops_per_unit"`, of a token, and `"peak_flops"`, None where it is
        not known.

    Reference:
        Chowdhery et al. 2022, PaLM, appendix B; nanoGPT's `estimate_mfu`.
    """
    width = config["num_layers"] * config["d_model"]
    peaks = [
        peak for name, peak in _PEAK_FLOPS.items() if device.startswith(name)
    ]
    return {
        "device": device,
        "parameters": parameters,
        "flops_per_unit": 6 * parameters + 12 * width * config["max_length"],
        "peak_flops": peaks[0] if peaks else None,
    }
