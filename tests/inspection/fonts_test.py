"""Tests of `gpt_keras.inspection.fonts`."""

import pytest

from gpt_keras.inspection import fonts


@pytest.fixture
def families(monkeypatch):
    """A function that puts other families in place of all."""

    def put(*names):
        monkeypatch.setattr(fonts, "_FAMILIES", names)
        fonts.label_families.cache_clear()
        fonts._characters.cache_clear()

    yield put
    monkeypatch.undo()
    put(*fonts._FAMILIES)


def test_the_fonts_that_come_with_matplotlib():
    assert fonts.label_families()[:2] == ["DejaVu Sans Mono", "DejaVu Sans"]
    assert all(map(fonts.can_draw, "aé␣…я😀"))
    assert not fonts.can_draw("\U000f0000")  # for private use


def test_only_what_is_installed_counts(families):
    families("DejaVu Sans Mono", "No Such Font")
    assert fonts.label_families() == ["DejaVu Sans Mono"]
    assert fonts.can_draw("a") and not fonts.can_draw("😀")
    families("DejaVu Sans Mono", "DejaVu Sans")
    assert fonts.can_draw("😀")
