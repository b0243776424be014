"""A device's name in, what its maker says of it out."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Device:
    """What a plan has to know of one device.

    Attributes:
        name: As the flag has it.
        teraflops: Of dense matrix products, in 10¹² operations a second, by
            the bytes of a number: 4 and 2.
        memory: Bytes; None: not known.
        bandwidth: Of its memory, bytes a second; None: not known.
        link: To its neighbours in one direction, bytes a second; None: not
            known.
        has_bfloat16: Whether products of bfloat16 reach that speed.
        is_cpu: Whether its memory is that of the program.
        source: Of the figures.
    """

    name: str
    teraflops: dict[int, float]
    memory: int | None = None
    bandwidth: float | None = None
    link: float | None = None
    has_bfloat16: bool = True
    is_cpu: bool = False
    source: str = ""

    def peak_flops(self, width: int) -> float:
        """Returns the operations a second for numbers of so many bytes."""
        return 1e12 * self.teraflops[max(2, min(width, 4))]


def _nvidia(name, float32, half, memory, bandwidth, link, source, **options):
    return Device(
        name,
        {4: float32, 2: half},
        int(memory * 1e9),
        bandwidth * 1e9,
        link * 1e9,
        source=source,
        **options,
    )


# Matrix products, dense (makers like to print those of sparse ones, twice as
# many), summed in float32. Those of float32 are TensorFloat-32's where there
# is such a thing: TensorFlow uses it unless told not to. Gigabytes, gigabytes
# a second; the link in one direction, half of what is printed.
DEVICES = {
    device.name: device
    for device in (
        _nvidia(
            *("h100", 494.7, 989.4, 80, 3350, 450),
            "NVIDIA H100 Tensor Core GPU datasheet, SXM5",
        ),
        _nvidia(
            *("h200", 494.7, 989.4, 141, 4800, 450),
            "NVIDIA H200 Tensor Core GPU datasheet, SXM5",
        ),
        _nvidia(
            *("a100", 156, 312, 80, 2039, 300),
            "NVIDIA A100 Tensor Core GPU datasheet, SXM4 80 GB",
        ),
        _nvidia(
            *("a100_40gb", 156, 312, 40, 1555, 300),
            "NVIDIA A100 Tensor Core GPU datasheet, SXM4 40 GB",
        ),
        _nvidia(
            *("v100", 15.7, 125, 32, 900, 150),
            "NVIDIA V100 Tensor Core GPU datasheet, SXM2 32 GB",
            has_bfloat16=False,
        ),
        _nvidia(
            *("t4", 8.1, 65, 16, 320, 16),
            "NVIDIA T4 Tensor Core GPU datasheet; PCIe 3.0",
            has_bfloat16=False,
        ),
        _nvidia(
            *("l4", 60, 121, 24, 300, 32),
            "NVIDIA L4 Tensor Core GPU datasheet; PCIe 4.0",
        ),
        _nvidia(
            *("rtx4090", 82.6, 165.2, 24, 1008, 32),
            "NVIDIA Ada GPU Architecture whitepaper, appendix A; PCIe 4.0",
        ),
    )
}
