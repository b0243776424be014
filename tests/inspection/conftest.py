"""What the tests of pictures share."""

import warnings

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved; a glyph that is missing is an error."""
    kept = []
    save = Figure.savefig

    def savefig(figure, *arguments, **options):
        kept.append(figure)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return kept
