"""Runs a model with TensorFlow's C API, without TensorFlow's Python:
`python run_c_api.py LIBRARIES FOLDER`. Requests come in, answers go out, as
lines: see `exchange.py`. LIBRARIES is the folder of `libtensorflow_cc.so.2`.

`python run_c_api.py LIBRARIES ops` writes the operations that the libraries
know, an `OpList` in hexadecimal.

It imports nothing but the standard library. XLA is disabled, as in TensorFlow
Serving.
"""

import ctypes
import math
import os
import sys
import time
from ctypes import POINTER
from ctypes import c_char_p
from ctypes import c_int
from ctypes import c_int64
from ctypes import c_size_t
from ctypes import c_void_p

STRING = 7
STRING_SIZE = 24  # bytes of a TF_TString
ITEM_SIZES = {1: 4, 2: 8, 3: 4, 9: 8, 10: 1, STRING: STRING_SIZE}


class Output(ctypes.Structure):
    """A `TF_Output`: a tensor of a graph."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


class Buffer(ctypes.Structure):
    """A `TF_Buffer`."""

    _fields_ = [
        ("data", c_void_p),
        ("length", c_size_t),
        ("deallocator", c_void_p),
    ]


SESSION_RUN = [
    *(c_void_p, c_void_p),  # session, run options
    *(POINTER(Output), POINTER(c_void_p), c_int),  # inputs
    *(POINTER(Output), POINTER(c_void_p), c_int),  # outputs
    *(c_void_p, c_int, c_void_p, c_void_p),  # targets, metadata, status
]
# fmt: off
FUNCTIONS = {  # what they return and take
    "TF_NewStatus": (c_void_p, []),
    "TF_GetCode": (c_int, [c_void_p]),
    "TF_Message": (c_char_p, [c_void_p]),
    "TF_NewGraph": (c_void_p, []),
    "TF_NewSessionOptions": (c_void_p, []),
    "TF_LoadSessionFromSavedModel": (c_void_p, [
        c_void_p, c_void_p, c_char_p, POINTER(c_char_p), c_int, c_void_p,
        c_void_p, c_void_p,
    ]),
    "TF_SessionRun": (None, SESSION_RUN),
    "TF_GraphOperationByName": (c_void_p, [c_void_p, c_char_p]),
    "TF_AllocateTensor": (c_void_p, [
        c_int, POINTER(c_int64), c_int, c_size_t,
    ]),
    "TF_DeleteTensor": (None, [c_void_p]),
    "TF_TensorType": (c_int, [c_void_p]),
    "TF_NumDims": (c_int, [c_void_p]),
    "TF_Dim": (c_int64, [c_void_p, c_int]),
    "TF_TensorData": (c_void_p, [c_void_p]),
    "TF_TensorByteSize": (c_size_t, [c_void_p]),
    "TF_StringInit": (None, [c_void_p]),
    "TF_StringCopy": (None, [c_void_p, c_char_p, c_size_t]),
    "TF_StringGetDataPointer": (c_void_p, [c_void_p]),
    "TF_StringGetSize": (c_size_t, [c_void_p]),
    "TF_StringDealloc": (None, [c_void_p]),
    "TF_GetAllOpList": (POINTER(Buffer), []),
    "_ZN10tensorflow21DisableXlaCompilationEv": (None, []),
}
# fmt: on


def load_library(folder: str):
    """Returns the C API of the libraries in a folder."""
    framework = os.path.join(folder, "libtensorflow_framework.so.2")
    ctypes.CDLL(framework, mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(os.path.join(folder, "libtensorflow_cc.so.2"))
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library._ZN10tensorflow21DisableXlaCompilationEv()
    return library


class Model:
    """A loaded SavedModel.

    Args:
        library: What `load_library` returns.
        folder: The folder of one version.

    Raises:
        RuntimeError: The libraries refuse the folder.
    """

    def __init__(self, library, folder: str):
        self._library = library
        self._status = library.TF_NewStatus()
        self._graph = library.TF_NewGraph()
        self._session = library.TF_LoadSessionFromSavedModel(
            library.TF_NewSessionOptions(),
            None,
            os.fsencode(folder),
            (c_char_p * 1)(b"serve"),
            1,
            self._graph,
            None,
            self._status,
        )
        self._check()

    def run(self, feeds: dict[str, list[str]], fetches: list[str]):
        """Returns the words of each fetched array, and the seconds it took."""
        library = self._library
        outputs = (c_void_p * len(fetches))()
        inputs = (c_void_p * len(feeds))()
        try:
            for index, words in enumerate(feeds.values()):
                inputs[index] = self._tensor(words)
            start = time.perf_counter()
            library.TF_SessionRun(
                *(self._session, None),
                *(self._outputs(feeds), inputs, len(inputs)),
                *(self._outputs(fetches), outputs, len(outputs)),
                *(None, 0, None, self._status),
            )
            seconds = time.perf_counter() - start
            self._check()
            return [self._words(output) for output in outputs], seconds
        finally:
            for tensor in filter(None, inputs):
                self._free_strings(tensor)
            for tensor in filter(None, [*inputs, *outputs]):
                library.TF_DeleteTensor(tensor)

    def _check(self):
        if self._library.TF_GetCode(self._status):
            message = self._library.TF_Message(self._status)
            raise RuntimeError(message.decode(errors="replace"))

    def _outputs(self, names):
        outputs = (Output * len(names))()
        for output, name in zip(outputs, names, strict=True):
            operation, index = name.split(":")
            output.index = int(index)
            output.operation = self._library.TF_GraphOperationByName(
                self._graph, operation.encode()
            )
            if not output.operation:
                raise RuntimeError(f"The graph has no tensor {name}.")
        return outputs

    def _tensor(self, words):
        library = self._library
        dtype, rank = int(words[0]), int(words[1])
        shape = [int(word) for word in words[2 : 2 + rank]]
        contents = [bytes.fromhex(word[1:]) for word in words[2 + rank :]]
        tensor = library.TF_AllocateTensor(
            dtype,
            (c_int64 * rank)(*shape),
            rank,
            math.prod(shape) * ITEM_SIZES[dtype],
        )
        data = library.TF_TensorData(tensor)
        if dtype != STRING:
            ctypes.memmove(data, contents[0], len(contents[0]))
            return tensor
        for index, content in enumerate(contents):
            string = data + index * STRING_SIZE
            library.TF_StringInit(string)
            library.TF_StringCopy(string, content, len(content))
        return tensor

    def _words(self, tensor):
        library = self._library
        rank = library.TF_NumDims(tensor)
        shape = [library.TF_Dim(tensor, axis) for axis in range(rank)]
        if library.TF_TensorType(tensor) == STRING:
            contents = [
                ctypes.string_at(
                    library.TF_StringGetDataPointer(string),
                    library.TF_StringGetSize(string),
                )
                for string in self._strings(tensor)
            ]
        else:
            data = library.TF_TensorData(tensor)
            size = library.TF_TensorByteSize(tensor)
            contents = [ctypes.string_at(data, size) if size else b""]
        return [
            *map(str, (library.TF_TensorType(tensor), rank, *shape)),
            *("x" + content.hex() for content in contents),
        ]

    def _strings(self, tensor):
        """Returns the address of each string of a tensor."""
        data = self._library.TF_TensorData(tensor)
        size = self._library.TF_TensorByteSize(tensor)
        return range(data, data + size, STRING_SIZE) if size else ()

    def _free_strings(self, tensor):
        if self._library.TF_TensorType(tensor) == STRING:
            for string in self._strings(tensor):
                self._library.TF_StringDealloc(string)


def main(libraries: str, folder: str) -> int:
    library = load_library(libraries)
    if folder == "ops":
        ops = library.TF_GetAllOpList().contents
        print(ctypes.string_at(ops.data, ops.length).hex())
        return 0
    start = time.perf_counter()
    try:
        model = Model(library, folder)
    except RuntimeError as error:
        _say("error", *str(error).split())
        return 1
    _say("loaded", f"{time.perf_counter() - start:.6f}")
    _answer(model)
    return 0


def _answer(model):
    feeds, fetches = {}, []
    for line in sys.stdin:
        command, *words = line.split()
        if command == "feed":
            feeds[words[0]] = words[1:]
        elif command == "fetch":
            fetches += words
        else:
            _run(model, feeds, fetches)
            feeds, fetches = {}, []


def _run(model, feeds, fetches):
    try:
        outputs, seconds = model.run(feeds, fetches)
    except RuntimeError as error:
        _say("error", *str(error).split())
        return
    for words in outputs:
        _say("output", *words)
    _say("ran", f"{seconds:.6f}")


def _say(*words):
    print(*words, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
