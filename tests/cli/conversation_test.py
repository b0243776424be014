"""Tests of `gpt_keras.cli.conversation`."""

from gpt_keras.cli.conversation import Conversation
from gpt_keras.cli.conversation import Template
from gpt_keras.cli.conversation import Turns


def test_the_prompt_is_what_was_said():
    talk = Conversation(Template(preamble="Be brief.\n"))
    assert talk.prompt("Hi") == "Be brief.\nUser: Hi\nModel:"
    talk.add("Hi", " Hello.")
    talk.add("Who?", " Me.")
    begin = "Be brief.\nUser: Hi\nModel: Hello.\n"
    end = "User: Who?\nModel: Me.\nUser: Bye\nModel:"
    assert talk.prompt("Bye") == begin + end
    talk.drop_oldest()
    assert talk.prompt("Bye") == "Be brief.\n" + end and len(talk) == 1
    talk.clear()
    assert talk.prompt("Hi") == "Be brief.\nUser: Hi\nModel:"


def test_the_next_turn_ends_an_answer():
    assert Template().stops() == ["\nUser:", "\nModel:"]
    assert Template(user_prefix="", model_prefix="").stops() == ["\n"]
    empty = Template(user_prefix="", model_prefix="", turn_end="")
    assert empty.stops() == []


def test_turns_are_messages_the_user_s_first_and_last():
    turns = Turns()
    assert turns.prompt("a") == ["a"] and not turns
    turns.add("a", "b")
    turns.add("c", "d")
    assert turns.prompt("e") == ["a", "b", "c", "d", "e"] and len(turns) == 2
    turns.drop_oldest()
    assert turns.prompt("e") == ["c", "d", "e"]
    turns.clear()
    assert turns.prompt("e") == ["e"]
