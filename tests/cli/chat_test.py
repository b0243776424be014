"""Tests of `gpt_keras.cli.chat`, with lines on a standard input."""

import io
import sys

import pytest
from client_testing import FakeModel

from gpt_keras.cli import chat
from gpt_keras.cli import program
from gpt_keras.cli.chat_session import ChatSession
from gpt_keras.cli.chat_sources import LocalModel
from gpt_keras.cli.conversation import Template
from gpt_keras.serving.client_protocol import ModelMetadata
from gpt_keras.serving.client_rows import Answer


@pytest.fixture
def talk(monkeypatch, capsys):
    """Runs the program on lines; gives status and what it printed."""

    def run(lines, *arguments):
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
        status = chat.main(program.parse(chat.define_flags, *arguments))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def model():
    model = FakeModel(max_length=60)
    with model.serving() as model.url:
        yield model


@pytest.fixture
def served(model):
    model.requests.clear()
    model.answers.clear()
    flags = ["--tokens_per_call=1", "--max_new_tokens=2", "--retries=0"]
    return [f"--server={model.url}", "--model_name=m", *flags]


def _first_calls(model):
    calls = model.answers_for("generate")
    return [one for one in calls if one["continuation"] == [""]]


def test_each_prompt_holds_what_was_said(talk, served, model):
    lines = ["Hi", "", "//slash", "/reset", "Bye", "/quit", "never said"]
    status, printed, errors = talk(lines, *served)
    assert (status, errors) == (0, "")
    assert printed == "w0 w1 \n" * 3
    prompts = [one["prompts"][0] for one in _first_calls(model)]
    assert prompts == [
        "User: Hi\nModel:",
        "User: Hi\nModel:w0 w1 \nUser: /slash\nModel:",
        "User: Bye\nModel:",
    ]
    stops = {one["stop"][0] for one in _first_calls(model)}
    assert stops == {"\nUser:\x1f\nModel:"}
    assert _first_calls(model)[0]["overflow"] == ["roll"]


def test_the_oldest_turns_make_room(talk, served, model):
    status, _, errors = talk(["one", "two", "three", "x" * 80], *served)
    assert status == 0
    assert errors.count("the oldest 1 turns are dropped") == 1
    assert errors.count("the oldest 2 turns are dropped") == 1
    assert errors.count("only the end of this fits") == 1
    asked = [one["prompts"][0] for one in _first_calls(model)]
    assert "User: one" not in asked[3] and "User: two" in asked[3]


def test_commands_set_what_is_asked_for(talk, served, model):
    lines = ["/seed 5", "/set stop END", "/set top_p 0.5", "a"]
    lines += ["/set heat 1", "/set top_p x", "/nothing", "/help", "/set"]
    status, printed, errors = talk(lines, *served)
    assert status == 0 and printed == "w0 w1 \n"
    (call,) = _first_calls(model)
    assert (call["seed"], call["top_p"]) == ([5], [0.5])
    assert call["stop"] == ["\nUser:\x1f\nModel:\x1fEND"]
    assert "a setting must be one of" in errors
    assert "could not convert string to float" in errors
    assert "no such command: /nothing" in errors
    assert errors.count("/reset") == 2 and "\ntop_p 0.5\n" in errors


def test_a_failed_answer_is_not_kept(talk, served, model):
    model.answers.append((503, {}, b'{"error": "later"}'))
    lines = ["lost", "/set top_k 9", "invalid", "/set top_k 0", "found"]
    status, printed, errors = talk(lines, *served)
    assert status == 1 and "later" in errors and "`top_k` must be" in errors
    assert _first_calls(model)[-1]["prompts"] == ["User: found\nModel:"]


def test_ctrl_c_breaks_off_the_answer_only(capsys):
    class Source:
        prompts = []

        def answer(self, prompt, settings):
            self.prompts.append(prompt)
            return False, self.pieces()

        def pieces(self):
            yield " half"
            if len(self.prompts) == 1:
                raise KeyboardInterrupt

    session = ChatSession(Source(), Template(), {})
    session.take("one")
    session.take("two")
    assert capsys.readouterr().out == "half …\nhalf\n"
    assert Source.prompts[1] == "User: one\nModel: half\nUser: two\nModel:"
    assert not session.is_over and not session.has_failed


def test_a_model_in_a_folder_answers_too(model_dir, talk, monkeypatch):
    source = LocalModel(model_dir, best=False)
    monkeypatch.setattr(chat, "LocalModel", lambda *unused: source)
    flags = [f"--model_dir={model_dir}", "--user_prefix=", "--model_prefix="]
    flags += ["--turn_end= ", "--temperature=0", "--max_new_tokens=4"]
    _, printed, errors = talk(["one", "three", "/quit"], *flags)
    settings = {"temperature": 0.0, "max_new_tokens": 4, "stop": [" "]}
    said = "one "
    for line in printed.splitlines():
        is_cut, pieces = source.answer(said, settings)
        text = "".join(pieces)
        assert line == text.lstrip() and not is_cut
        said += f"{text} three "
    assert errors == ""
    assert source.answer("x" * 40, settings)[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "on a `server` or in a `model_dir`"),
        (["--server=a", "--model_dir=b"], "on a `server` or in a `model_dir`"),
        (["--server=http://a:1", "--best", "--model_name=m"], "`best` needs"),
        (["--server=http://a:1"], "`model_name` must name"),
        (["--server=http://a:1", "--model_name=m", "--top_k=x"], "top_k"),
    ],
)
def test_what_does_not_go_together_is_refused(talk, arguments, words):
    with pytest.raises(Exception, match=words):
        talk([], *arguments)


def test_a_model_with_a_template_of_its_own_gets_messages(
    talk, monkeypatch, capsys
):
    class Client:
        asked = []

        def metadata(self):
            return ModelMetadata(1, {"chat": None})

        def run_task(self, name, messages):
            self.asked.append((name, messages))
            error = "`messages` must be short" if "long" in messages else ""
            return Answer(f"to {messages[-1]}", "stop", False, error)

    monkeypatch.setattr(
        chat.client_flags, "make_client", lambda values: Client()
    )
    flags = ["--server=http://a:1", "--model_name=m"]
    lines = ["one", "long", "two", "/set top_k 3", "three"]
    status, printed, errors = talk(lines, *flags)
    assert printed == "to one\n\nto two\n\n" and status == 1
    assert Client.asked == [
        ("chat", ["one"]),
        ("chat", ["one", "to one", "long"]),
        ("chat", ["one", "to one", "two"]),
    ]
    assert "must be short" in errors and "those of its export" in errors
