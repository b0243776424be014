"""The installed fonts in, those that labels are drawn with out."""

import functools

from matplotlib import font_manager

# A character is drawn by the first that is installed and has it. The leading
# two come with matplotlib; fonts of coloured pictures can't be drawn by it.
_FAMILIES = (
    "DejaVu Sans Mono",
    "DejaVu Sans",
    "Noto Sans Mono CJK SC",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei Mono",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "Arial Unicode MS",
    "Noto Emoji",
    "Symbola",
    "Segoe UI Symbol",
    "Apple Symbols",
)


@functools.cache
def label_families() -> list[str]:
    """Returns the families for labels, in the order in which they are asked."""
    installed = set(font_manager.get_font_names())
    return [name for name in _FAMILIES if name in installed]


def can_draw(character: str) -> bool:
    """Returns whether one of the families has a character."""
    return ord(character) in _characters()


@functools.cache
def _characters() -> frozenset[int]:
    paths = [font_manager.findfont(name) for name in label_families()]
    fonts = map(font_manager.get_font, paths)
    return frozenset().union(*(font.get_charmap() for font in fonts))
