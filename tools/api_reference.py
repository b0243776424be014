"""The library's docstrings in, docs/api.md out.

    python -m tools.api_reference            # writes it
    python -m tools.api_reference --check    # says whether it is up to date

Nothing is imported: the files are read as they are.
"""

import ast
import inspect
import pathlib
import re
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = "docs/api.md"
# What the page has, in its order: title, then names by module.
SECTIONS = {
    "The model": {
        "model": ["GPTModel"],
        "layers.positional_encoding": ["PositionalEncoding"],
        "layers.causal_self_attention": ["CausalSelfAttention"],
        "layers.decoder_block": ["DecoderBlock"],
        "layers.kv_cache": ["KVCache"],
    },
    "Text": {
        "text.tokenizer": ["load_tokenizer"],
        "text.byte_pair_tokenizer": ["BytePairTokenizer"],
        "text.character_tokenizer": ["CharacterTokenizer"],
        "text.tokenizer_training": ["train_byte_pair", "train_character"],
        "text.gpt2_folder": ["read_gpt2_folder"],
    },
    "Data": {
        "data.sources": ["TextFiles", "TensorFlowDataset", "PythonReference"],
        "data.preparation": ["prepare"],
        "data.token_store": ["TokenStore", "TokenSplit"],
        "data.pipeline": ["training_batches", "validation_batches"],
    },
    "Training": {
        "config": ["TrainConfig"],
        "flags": ["define"],
        "training.trainer": ["train"],
        "training.optimizers": ["make_optimizer"],
        "training.model_folder": ["load_model", "save_model"],
        "layers.lora": ["enable_lora", "merged"],
        "training.adapter_file": ["save_adapters", "load_adapters"],
        "planning.plan": ["make_plan"],
    },
    "Weights of others": {
        "weights.hugging_face": None,
        "weights.openai": None,
        "weights.keras_hub": None,
    },
    "Writing text": {
        "generation.text_generator": ["TextGenerator", "GenerationResult"],
        "generation.settings": ["GenerationSettings", "make_settings"],
        "generation.policy": ["Policy"],
        "generation.watermark": ["Watermark"],
    },
    "Evaluation and inspection": {
        "evaluation.evaluator": ["evaluate", "Evaluation"],
        "evaluation.perplexity": ["perplexity_task"],
        "evaluation.last_word": ["last_word_task"],
        "evaluation.multiple_choice": ["multiple_choice_task"],
        "evaluation.memorisation": ["memorisation_task"],
        "evaluation.continuations": ["evaluate_continuations"],
        "inspection.places": ["look_at"],
    },
    "Serving": {
        "serving.export": ["export_saved_model"],
        "serving.client": ["Client"],
        "serving.local_server": ["LocalServer"],
        "serving.server_config": ["ServerConfig"],
    },
}
_HEADER = """\
# API

What the docstrings say, by the way from text to a served model. It is written
by `python -m tools.api_reference`. Programs and their flags are told in
[training.md](training.md#flags), [local_server.md](local_server.md) and by
`--help` of each.
"""
_TITLE = re.compile(
    r"(Args|Call arguments|Attributes|Example|Examples|Raises|Reference|"
    r"References|Returns|Yields):(.*)"
)
_ITEM = re.compile(r"([*\w`][*\w`.,\[\] ]*): (.*)")
_ITEMISED = ("Args", "Call arguments", "Attributes", "Raises")


def api_page(root: pathlib.Path = ROOT) -> str:
    """Returns the text of the page.

    Raises:
        ValueError: A name isn't there, or has no docstring.
    """
    lines = [_HEADER, _contents()]
    for title, modules in SECTIONS.items():
        lines.append(f"## {title}\n")
        for module, names in modules.items():
            lines += _module(root, module, names)
    return "\n".join(lines).rstrip() + "\n"


def _contents() -> str:
    links = [f"[{x}](#{x.lower().replace(' ', '-')})" for x in SECTIONS]
    return " ·\n".join(links) + "\n"


def _module(root, module: str, names) -> Iterator[str]:
    path = root / "gpt_keras" / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    if names is None:
        names = [name for name in defined if not name.startswith("_")]
    for name in names:
        if name not in defined:
            raise ValueError(f"gpt_keras.{module} must have {name}")
        file = path.relative_to(root).as_posix()
        yield f"### {name}\n"
        yield f"[`gpt_keras.{module}`](../{file})\n"
        yield from _definition(defined[name], name)


def _definition(node, name: str) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield from _signature(node, name, is_method=False)
        yield from _docstring(node, name)
        return
    methods = [x for x in node.body if isinstance(x, ast.FunctionDef)]
    for method in methods:
        if method.name == "__init__":
            yield from _signature(method, name, is_method=True)
    yield from _docstring(node, name)
    for method in methods:
        if not method.name.startswith("_") and ast.get_docstring(method):
            yield f"#### {name}.{method.name}\n"
            if not _is_property(method):
                yield from _signature(method, method.name, is_method=True)
            yield from _docstring(method, method.name)


def _is_property(method) -> bool:
    names = [ast.unparse(decorator) for decorator in method.decorator_list]
    return "property" in names


def _signature(node, name: str, is_method: bool) -> Iterator[str]:
    """Yields a call, on a line for each argument where one is too long."""
    arguments = node.args
    is_static = any(
        ast.unparse(decorator) == "staticmethod"
        for decorator in node.decorator_list
    )
    if is_method and not is_static:
        del (arguments.posonlyargs or arguments.args)[0]
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if node.name == "__init__":
        returned = ""
    parts = _split(ast.unparse(arguments))
    line = f"{name}({', '.join(parts)}){returned}"
    if len(line) > 76:
        inner = "".join(f"    {part},\n" for part in parts)
        line = f"{name}(\n{inner}){returned}"
    yield _indented(line) + "\n"


def _split(arguments: str) -> list[str]:
    """Cuts arguments at the commas that stand in no brackets."""
    parts, depth = [""], 0
    for character in arguments:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _docstring(node, name: str) -> Iterator[str]:
    text = ast.get_docstring(node)
    if not text:
        raise ValueError(f"{name} must have a docstring")
    for title, body in _parts(text):
        if title == "":
            yield _prose(body) + "\n"
        elif title in _ITEMISED:
            yield f"**{title}**\n"
            yield _items(body) + "\n"
        elif title.startswith("Example"):
            yield f"**{title}**\n"
            code = re.sub(r"^```.*\n?", "", body, flags=re.MULTILINE).strip()
            yield _indented(code) + "\n"
        else:
            yield f"**{title}** {_prose(body)}\n"


def _parts(text: str) -> list[tuple[str, str]]:
    """Cuts a docstring into its sections, the first without a title."""
    parts = [("", [])]
    for line in text.splitlines():
        match = _TITLE.fullmatch(line)
        if match:
            parts.append((match[1], [match[2].strip()] if match[2] else []))
        elif line and not line[0].isspace() and _is_over(*parts[-1]):
            parts.append(("", [line]))
        else:
            parts[-1][1].append(line)
    found = [
        (title, inspect.cleandoc("\n".join(lines)) if lines else "")
        for title, lines in parts
    ]
    return [(title, body) for title, body in found if body]


def _is_over(title: str, lines) -> bool:
    """Whether a line without indentation begins a text of its own."""
    return (
        title not in ("", "Example", "Examples")
        and bool(lines)
        and lines[-1] == ""
    )


def _prose(body: str) -> str:
    """Lets indented parts that are no lists stand as code."""
    paragraphs = []
    for paragraph in re.split(r"\n\n+", body):
        if paragraph.startswith(">>>"):
            paragraph = _indented(paragraph)
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def _items(body: str) -> str:
    lines = []
    for line in body.splitlines():
        match = _ITEM.fullmatch(line)
        if match:
            names = match[1].strip("`")
            lines.append(f"- `{names}`: {match[2]}")
        elif line.strip():
            is_list = line.strip().startswith("- ")
            lines.append(f"{'  ' if is_list else ' '} {line.strip()}")
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {x}" if x else "" for x in text.splitlines())


def main(arguments) -> int:
    """Writes or checks the page; returns the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    page, path = api_page(), ROOT / PAGE
    if path.exists() and path.read_text(encoding="utf-8") == page:
        return 0
    if arguments:
        print(f"{PAGE} is out of date: python -m tools.api_reference")
        return 1
    path.write_text(page, encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
