"""Arrays come in, lines of words go out, and back: what the programs that run
a model say to each other.

Three programs load a model and speak the same way, so that none needs a parser
of its own: `run_session.py`, `run_c_api.py` and `run_saved_model.cc`. Each is
started with the model's folder, reads lines

    feed TENSOR ARRAY
    fetch TENSOR
    run

of as many requests as there are, and writes `loaded SECONDS`, then for every
request `output ARRAY` for each fetch and `ran SECONDS`, or `error MESSAGE`. An
ARRAY is `TYPE RANK DIMENSION… CONTENT…`: the number that TensorFlow gives the
type, and `x` with hexadecimal bytes: once for each string of an array of
strings, else once for all numbers.
"""

import numpy as np

TYPES = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    7: np.dtype(object),  # of bytes
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
}
NUMBERS = {dtype: number for number, dtype in TYPES.items()}


def array_to_words(array: np.ndarray) -> list[str]:
    """Returns the words of an ARRAY.

    Raises:
        ValueError: The array is of another type than `TYPES` has.
    """
    array = np.asarray(array)
    if array.dtype not in NUMBERS:
        raise ValueError(
            f"An array must be of {[str(x) for x in NUMBERS]}, strings as "
            f"objects. Received: {array.dtype}"
        )
    is_text = array.dtype.kind == "O"
    contents = array.ravel() if is_text else [array.tobytes()]
    return [
        *map(str, (NUMBERS[array.dtype], array.ndim, *array.shape)),
        *("x" + content.hex() for content in contents),
    ]


def words_to_array(words: list[str]) -> np.ndarray:
    """Returns the array that `array_to_words` was given."""
    dtype, rank = TYPES[int(words[0])], int(words[1])
    shape = [int(word) for word in words[2 : 2 + rank]]
    contents = [bytes.fromhex(word[1:]) for word in words[2 + rank :]]
    if dtype.kind == "O":
        array = np.empty(len(contents), object)
        array[:] = contents
    else:
        array = np.frombuffer(contents[0], dtype)
    return array.reshape(shape)


def one_line(message) -> str:
    """Returns a message without its line breaks."""
    return " ".join(str(message).split())
