"""An initialiser in, one that draws other numbers out."""

import keras


def fresh(initializer):
    """Returns a copy of an initialiser that draws numbers of its own.

    One initialiser object gives every variable of one shape the *same*
    numbers: its seed is drawn once, when it is made. All blocks of a model
    would start equal.

    Args:
        initializer: Whatever `keras.initializers.get` takes.
    """
    initializer = keras.initializers.get(initializer)
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer
