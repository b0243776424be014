"""Asks a model on TensorFlow Serving, or on the local server.

    python -m tools.query --server=http://localhost:8501 --model_name=mine \\
        --prompt='The ' --max_new_tokens=40

It exits with 1 if a row broke a rule or the server did not answer.
"""

import dataclasses
import itertools
import json
import sys

from absl import flags

from gpt_keras.cli import beams
from gpt_keras.cli import client_flags
from gpt_keras.cli import program
from gpt_keras.cli import query_rows
from gpt_keras.cli import sampling
from gpt_keras.generation.setting_values import BEAM_DEFAULTS
from gpt_keras.generation.setting_values import join_texts
from gpt_keras.generation.setting_values import signature_name
from gpt_keras.progress import Progress
from gpt_keras.serving.client_errors import InvalidRequestError
from gpt_keras.serving.client_protocol import SignatureInfo
from gpt_keras.terminal import is_terminal

# What is printed as it is; of other outputs, all are printed as JSON.
_TEXTS = ("completions", "texts", "choice")
_FLAGS = {
    "num_beams": "beams",
    "choices": "choice",
}  # where a flag is not named as the input


def define_flags(values):
    """Defines the program's flags."""
    client_flags.define_flags(values, "http://localhost:8501")
    flags.DEFINE_string(
        "signature", "generate", "What is called.", flag_values=values
    )
    _define_rows(values)
    flags.DEFINE_boolean(
        "stream", False, "Print the text as it comes.", flag_values=values
    )
    flags.DEFINE_boolean(
        "json",
        False,
        "Print all outputs, a line of JSON for each row.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "status",
        False,
        "Print the state of the model's versions instead; exits with 1 if none "
        "is available.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "metadata",
        False,
        "Print the model's signatures instead.",
        flag_values=values,
    )
    sampling.define_flags(values)
    beams.define_flags(values, int(BEAM_DEFAULTS["num_beams"]))


def _define_rows(values):
    flags.DEFINE_multi_string(
        "prompt",
        [],
        "Text to go on from; several times for several texts.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "text",
        [],
        "What `score`, `embed` and `tokenize` are asked about; several times "
        "for several texts.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "task",
        None,
        "Instead of a signature, a task that the model was exported with.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "field",
        [],
        "NAME=TEXT: a field of the task; `messages` several times for what was "
        "said in turn.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "choice",
        [],
        "What `choose` chooses from; several times for several texts.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "per_token",
        False,
        "`choose` by the log-probability per token.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "normalize",
        False,
        "Vectors of `embed` have the length 1.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "file",
        None,
        "File with a row in each line: a JSON text, or an object of inputs by "
        "name; `-` is standard input.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "rows_per_call",
        32,
        "Most rows in one request.",
        flag_values=values,
    )


def main(values):
    """Prints what the server answers."""
    _check(values)
    with client_flags.make_client(values) as client:
        if values.status:
            return _print_status(client, values.json)
        if values.metadata:
            return _print_metadata(client, values.json)
        if values.stream:
            return _stream(client, values)
        if values.task is not None and values.file is None:
            return _run_task(client, values)
        return _ask(client, values)


def run():
    """Runs the program."""
    program.run(define_flags, main)


def _check(values):
    if values.task is not None and (
        values["signature"].present or values.prompt or values.text
    ):
        raise ValueError(
            "`task` must be with `field` or `file` alone. Received: "
            f"signature={values.signature!r}, prompt={values.prompt}, "
            f"text={values.text}"
        )
    if values.field and (values.task is None or values.file is not None):
        raise ValueError(
            "`field` needs `task`, without `file`. Received: "
            f"task={values.task!r}, file={values.file!r}"
        )
    chosen = [x for x in ("status", "metadata", "stream") if values[x].value]
    if len(chosen) > 1:
        raise ValueError(
            "Of `status`, `metadata` and `stream` there must be one at most. "
            f"Received: {chosen}"
        )
    if values.stream and (values.json or values.signature != "generate"):
        raise ValueError(
            "`stream` prints the text of `generate` alone. Received: "
            f"json={values.json}, signature={values.signature!r}"
        )
    if values.file is not None and (values.prompt or values.text):
        raise ValueError(
            "Rows must come from `file`, or from `prompt` and `text`. "
            "Received: both"
        )
    if values.rows_per_call < 1:
        raise ValueError(
            "`rows_per_call` must be at least 1. Received: "
            f"rows_per_call={values.rows_per_call}"
        )


def _rows(values):
    if values.file is not None:
        return query_rows.read_rows(values.file)
    rows = query_rows.given_rows(values.prompt, values.text)
    return iter(rows or [{"prompts": ""}])


def _print_status(client, as_json):
    statuses = client.status()
    for one in statuses:
        error = f"  {one.error_message}" if one.error_message else ""
        print(
            json.dumps(one._asdict(), ensure_ascii=False)
            if as_json
            else f"{one.version}  {one.state}  {one.error_code}{error}"
        )
    return 0 if any(one.state == "AVAILABLE" for one in statuses) else 1


def _print_metadata(client, as_json):
    metadata = client.metadata()
    signatures = {
        name: {side: _tensors(table) for side, table in one._asdict().items()}
        for name, one in sorted(metadata.signatures.items())
    }
    if as_json:
        print(json.dumps({"version": metadata.version, **signatures}))
        return 0
    print(f"version {metadata.version}")
    for name, sides in signatures.items():
        print(f"\n{name}")
        for side, table in sides.items():
            print(f"  {side}")
            for tensor, (dtype, shape) in table.items():
                print(f"    {tensor}  {dtype}  {shape}")
    return 0


def _tensors(table):
    return {name: (info.dtype, info.shape) for name, info in table.items()}


def _ask(client, values):
    name = values.signature
    if values.task is not None:
        name = signature_name(values.task)
    info = client.metadata().signatures.get(name)
    if info is None:
        known = sorted(client.metadata().signatures)
        raise ValueError(
            f"`signature` must be one of the model's, {known}. Received: "
            f"signature={name!r}"
        )
    settings = _settings(values, info)
    rows, count, failed = _rows(values), 0, False
    # On a terminal the answers themselves show how far it is.
    is_seen = is_terminal(sys.stdout)
    with Progress("Asking", unit="rows", initial=0, is_silent=is_seen) as bar:
        while part := list(itertools.islice(rows, values.rows_per_call)):
            columns = query_rows.columns(part, info, settings)
            outputs = client.predict(name, columns)
            answers = query_rows.as_rows(outputs)
            for row, answer in zip(part, answers, strict=True):
                count += 1
                failed |= _print_row(count, row, answer, values)
            bar.show(count)
    return 1 if failed else 0


def _run_task(client, values):
    """Prints the answer to the fields that the flags give."""
    _settings(values, SignatureInfo({}, {}))  # the export's alone hold
    fields = query_rows.given_fields(values.field)
    if "timeout" in fields:
        raise ValueError(
            "A field of a task must not be called timeout. Received: "
            f"field={values.field}"
        )
    answers = client.run_task(values.task, **fields)
    answers = answers if isinstance(answers, list) else [answers]
    for number, answer in enumerate(answers, 1):
        if values.json:
            row = dataclasses.asdict(answer)
            print(json.dumps(row, ensure_ascii=False))
        elif not answer.error:
            print(answer.text)
        if answer.error:
            print(f"error: row {number}: {answer.error}", file=sys.stderr)
    return 1 if any(answer.error for answer in answers) else 0


def _settings(values, info):
    """Returns the settings that the signature takes."""
    settings = sampling.settings(values) | {
        "num_beams": values.beams,
        "length_penalty": values.length_penalty,
        "choices": join_texts("choices", values.choice),
        "per_token": values.per_token,
        "normalize": values.normalize,
    }
    unused = [
        name
        for name in settings
        if name not in info.inputs and values[_FLAGS.get(name, name)].present
    ]
    if unused:
        raise ValueError(
            f"{values.task or values.signature!r} takes the settings "
            f"{[name for name in settings if name in info.inputs]}. Received: "
            f"{unused}"
        )
    return settings


def _print_row(number, row, answer, values) -> bool:
    """Prints a row; returns whether it has an error."""
    error = answer.get("error", "")
    text = [answer[name] for name in _TEXTS if name in answer]
    if "hypotheses" in answer and not values.json:
        _print_hypotheses(row, answer, values.num_return)
    elif values.json or not text:
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    elif not error:
        print(_shown(row.get("prompts", "")) + _shown(text[0]), flush=True)
    if error:
        print(f"error: row {number}: {error}", file=sys.stderr)
    if answer.get("finish_reason") == "max_length":
        _say_that_it_is_full()
    return bool(error)


def _print_hypotheses(row, answer, num_return):
    """Prints the best ones, with their scores if there are to be more."""
    count = min(answer["num_hypotheses"], num_return)
    pairs = zip(answer["hypotheses"], answer["scores"], strict=True)
    for text, score in itertools.islice(pairs, count):
        score = f"{score:.4f}  " if num_return > 1 else ""
        print(score + _shown(row.get("prompts", "")) + text, flush=True)


def _shown(text) -> str:
    is_bytes = isinstance(text, bytes)
    return text.decode("utf-8", "replace") if is_bytes else text


def _say_that_it_is_full():
    print(
        "(stopped at the model's max_length; --overflow=roll goes on)",
        file=sys.stderr,
    )


def _stream(client, values):
    failed = False
    settings_of_all = sampling.settings(values)
    known = {"prompts", *settings_of_all}
    for number, row in enumerate(_rows(values), 1):
        if unknown := sorted(row.keys() - known):
            raise ValueError(
                f"Row {number} must have inputs of {sorted(known)}. Received: "
                f"{unknown}"
            )
        settings = settings_of_all | row
        prompt = settings.pop("prompts", "")
        stream = client.stream(
            prompt, tokens_per_call=values.tokens_per_call, **settings
        )
        try:
            _print_pieces(prompt, stream)
        except InvalidRequestError as error:
            print(f"error: row {number}: {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


def _print_pieces(prompt, stream):
    for index, piece in enumerate(stream):
        start = _shown(prompt) if index == 0 else ""
        print(start + piece, end="", flush=True)
    print()
    if stream.finish_reason == "max_length":
        _say_that_it_is_full()
