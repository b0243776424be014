"""A version folder comes in, its graph and what is wrong with it go out."""

import os

from tensorflow.core.framework import op_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.core.protobuf import saved_model_pb2

# Operations that count as stateful, and yet no request changes what another
# one gets: they read, steer, check, or draw a random number.
HARMLESS = {
    "Assert",
    "Case",
    "HashTableV2",
    "If",
    "LookupTableFindV2",
    "LookupTableSizeV2",
    "NonDeterministicInts",
    "RandomUniform",
    "RandomUniformInt",
    "ReadVariableOp",
    "ResourceGather",
    "ResourceGatherNd",
    "StatefulPartitionedCall",
    "StatelessRandomGetAlg",
    "VarHandleOp",
    "While",
}
# Python that no server has, and XLA, which the stock server refuses.
FORBIDDEN = ("EagerPyFunc", "PyFunc", "Xla")
XLA_MARKS = ("_XlaMustCompile", "_XlaCompile")


def read_meta_graph(version_dir) -> meta_graph_pb2.MetaGraphDef:
    """Returns what a server loads of a version folder.

    Raises:
        FileNotFoundError: There is no `saved_model.pb`.
        ValueError: It can't be read, or has no graph for serving.
    """
    path = os.path.join(version_dir, "saved_model.pb")
    if not os.path.isfile(path):
        raise FileNotFoundError(
            "`--version_dir` must be a version folder, with a saved_model.pb. "
            f"Received: {version_dir}"
        )
    saved_model = saved_model_pb2.SavedModel()
    with open(path, "rb") as file:
        try:
            saved_model.ParseFromString(file.read())
        except Exception as error:  # protobuf's own class, which moves
            raise ValueError(f"{path} is not a SavedModel: {error}") from error
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {"serve"}:
            return meta_graph
    raise ValueError(f"{path} must have a graph with the tag 'serve' alone.")


def signatures_of(meta_graph) -> dict[str, meta_graph_pb2.SignatureDef]:
    """Returns the signatures that a request may name."""
    return {
        name: signature
        for name, signature in sorted(meta_graph.signature_def.items())
        if not name.startswith("__saved_model_")
    }


def find_graph_faults(meta_graph, core_ops: op_def_pb2.OpList) -> list[str]:
    """Says what keeps a graph from being served.

    Args:
        meta_graph: What `read_meta_graph` returns.
        core_ops: The operations that TensorFlow's libraries know.

    Returns:
        A line for each operation that the libraries lack, anywhere in the
        graph, and for each that a request reaches and must not: Python, XLA,
        and what keeps something from one request to the next.
    """
    is_stateful = {op.name: op.is_stateful for op in core_ops.op}
    library = meta_graph.graph_def.library.function
    nodes = [*meta_graph.graph_def.node]
    nodes += [node for function in library for node in function.node_def]
    known = is_stateful.keys() | {f.signature.name for f in library}
    faults = [
        f"{op} is no core operation of this TensorFlow"
        for op in sorted({node.op for node in nodes} - known)
    ]
    served, functions = _served(meta_graph)
    for op in sorted({node.op for node in served} & is_stateful.keys()):
        if op.startswith(FORBIDDEN):
            faults.append(f"{op} does not run in a stock server")
        elif is_stateful[op] and op not in HARMLESS:
            faults.append(f"{op} keeps something from request to request")
    marked = {
        mark
        for holder in (*served, *functions)
        for mark in XLA_MARKS
        if mark in holder.attr and holder.attr[mark].b
    }
    faults += [f"{x}: XLA, which a stock server refuses" for x in marked]
    return faults


def _served(meta_graph):
    """Returns the nodes and the library's functions that requests reach."""
    graph = {node.name: node for node in meta_graph.graph_def.node}
    library = {
        f.signature.name: f for f in meta_graph.graph_def.library.function
    }
    open_names = [
        info.name
        for signature in signatures_of(meta_graph).values()
        for info in signature.outputs.values()
    ]
    nodes, functions = {}, {}
    while open_names:
        name = open_names.pop().lstrip("^").split(":")[0]
        if name not in nodes:
            nodes[name] = graph[name]
            open_names += graph[name].input
    served = list(nodes.values())
    for node in served:  # grows while it is read
        called = {node.op}
        for value in node.attr.values():
            called |= {f.name for f in (value.func, *value.list.func)}
        for name in called & library.keys() - functions.keys():
            functions[name] = library[name]
            served += library[name].node_def
    return served, list(functions.values())
