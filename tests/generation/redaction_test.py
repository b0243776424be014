"""Tests of redaction. Every person, number, address and key is made up."""

import base64
import random
import string

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.redaction import KINDS
from gpt_keras.generation.redaction import check_kinds
from gpt_keras.generation.redaction import redact

_RANDOM = random.Random(0)


def _draw(length, alphabet=string.ascii_letters + string.digits):
    return "".join(_RANDOM.choices(alphabet, k=length))


SENTENCES = (
    "Please ask {} before Friday, won't you?",
    "{}\nis all that the letter said.",
    "请联系{}，谢谢。",
    "他的资料（{}）还没有更新。",
)
POSITIVE = {
    "email": (
        "ada@example.com",
        "Ada.Lovelace@example.org",
        "ada+news@example.com",
        "ada_lovelace-1815@mail.example.co.uk",
        "a@b.example",
        "10001@example.cn",
        "ada%inbox@xn--bcher-kva.example",
        "zoë@bücher.example",
        "ада@пример.example",
        "wang.wu@例子.测试",
        "wangwu＠example.com",
        "ｗａｎｇｗｕ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "MAILBOX@EXAMPLE.NET",
        "o'hara@example.museum",
    ),
    "phone": (
        "+49 30 123456",
        "+49 (0)30 123456-78",
        "+1 (415) 555-0132",
        "+14155550132",
        "+44 20 7946 0018",
        "0086-138-0013-8000",
        "0086 13800138000",
        "+86 138 0013 8000",
        "+86-10-12345678",
        "(415) 555-0132",
        "415-555-0132",
        "415.555.0133",
        "1-415-555-0134",
        "415-555-0132 ext. 17",
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "1380 013 8000",
        "１３８００１３８０００",
        "010-12345678",
        "0571-87654321",
        "(010) 1234 5678",
        "（０１０）１２３４５６７８",
        "010-12345678转801",
        "400-123-4567",
        "0171/1234567",
    ),
    "key": (
        "AKIA" + "EXAMPLE7" * 2,
        "sk-" + _draw(48),
        "sk-proj-" + _draw(24) + "_" + _draw(20),
        "ghp_" + _draw(36),
        "github_pat_" + _draw(22) + "_" + _draw(59),
        "xoxb-123456789012-" + _draw(24),
        "xoxp-123456789012-123456789012",
        "AIza" + _draw(35),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + _draw(43),
        "-----BEGIN PRIVATE KEY-----\n"
        + (_draw(64) + "\n") * 3
        + "-----END PRIVATE KEY-----",
        _draw(32, "0123456789abcdef"),
        _draw(64, "0123456789ABCDEF"),
        base64.b64encode(_RANDOM.randbytes(32)).decode(),
        base64.b64encode(_RANDOM.randbytes(48)).decode(),
        base64.urlsafe_b64encode(_RANDOM.randbytes(40)).decode(),
        _draw(40),
    ),
}
NEGATIVE = (
    "the antidisestablishmentarianism",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "https://example.com/docs/2024/05/12/how-to-train-a-model",
    "https://example.com/Users/JohnSmith/Projects2024/Documents/",
    "/usr/local/lib/python3.11/site-packages/keras/__init__.py",
    "version 2.21.0 (was 1.15.0.dev20240501)",
    "3.11.2024-rc1+build.20240501",
    "2024-05-01",
    "01.05.2024 - 31.05.2024",
    "05/01/2024 10:30:00",
    "2024-05-01T10:30:00.123456+08:00",
    "20240501T103000Z",
    "from 1998-2004 and 2010-2020",
    "10:15-11:45",
    "$1,234,567.89",
    "$15000000000",
    "¥13800138000.00",
    "13800138000元",
    "€ 10 000 000",
    "1 234 567 890",
    "299792458 m/s",
    "3.14159265358979323846264338327950288419",
    "0.13800138000",
    "ISBN 978-3-16-148410-0",
    "ISBN 0-306-40615-2",
    "7-302-12345-6",
    "192.0.2.100 to 198.51.100.200",
    "2001:db8::8a2e:370:7334",
    "127.0.0.1:8501",
    "550e8400-e29b-41d4-a716-446655440000",
    "commit 1a2b3c4d5e6f",
    "test_a_full_disk_is_an_os_error_and_leaves_nothing_2",
    "MAX_NUMBER_OF_REQUESTS_PER_BATCH_32",
    "computeTheGradientOfEveryLayerInFloat32",
    "x = y @ w.T",
    "@tf.function(input_signature=spec)",
    "@ada and @babbage",
    "keras@3.15.1",
    "if a[0]>=100-200 and b!=300-4000: return {'a': 1}",
    "0x7fff5fbff8a0",
    "-" * 40,
    "=" * 40,
    "a" * 40,
    "ACGT" * 12,
    "12 + 34 = 46; 100-200-300",
    "the sk-learn package and sk-loader",
    "rows 1000 2000 3000 4000",
    "第12345678号，共1234页",
    "二〇二四年五月一日，价格是１２３４５元",
    "身份证共18位，邮编100080",
)
POSITIVES = [
    (sentence.format(found), sentence.format(f"[{kind.upper()}]"))
    for kind, all_found in POSITIVE.items()
    for found in all_found
    for sentence in SENTENCES
]
NEGATIVES = [
    sentence.format(kept) for kept in NEGATIVE for sentence in SENTENCES
]


def _redact(texts, kinds=tuple(KINDS)):
    found, is_changed = redact(texts, kinds)
    assert found.dtype == tf.string and is_changed.dtype == tf.bool
    return [text.decode() for text in found.numpy()], is_changed.numpy()


def test_there_are_200_of_each():
    assert len(set(POSITIVES)) >= 200
    assert len(set(NEGATIVES)) >= 200


def test_positives_are_redacted_whole_and_nothing_else_is():
    texts, wanted = zip(*POSITIVES, strict=True)
    got, is_changed = _redact(texts)
    wrong = [x for x in zip(texts, got, wanted, strict=True) if x[1] != x[2]]
    assert not wrong, (len(wrong), wrong[:5])
    assert is_changed.all()


def test_negatives_stay():
    got, is_changed = _redact(NEGATIVES)
    wrong = [x for x in zip(NEGATIVES, got, strict=True) if x[0] != x[1]]
    assert not wrong, (len(wrong), wrong[:5])
    assert not is_changed.any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_finds_its_own_alone(kind):
    texts = [f"Is it {found}?" for found in POSITIVE[kind]]
    assert _redact(texts, [kind])[0] == [f"Is it [{kind.upper()}]?"] * len(
        texts
    )
    others = [f"Is it {x}?" for k in KINDS if k != kind for x in POSITIVE[k]]
    assert _redact(others, [kind])[0] == others


@pytest.mark.parametrize("between", [" ", ", ", ",", "\t", "\n", "、", "和"])
@pytest.mark.parametrize("kind", KINDS)
def test_adjacent_ones_are_all_found(kind, between):
    found = {"email": "ada@example.com", "phone": "13800138000"}
    found = found.get(kind, POSITIVE["key"][0])
    for count in range(1, 6):
        got, _ = _redact([between.join([found] * count)])
        assert got == [between.join([f"[{kind.upper()}]"] * count)]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Tel.: 030 123456", "Tel.: [PHONE]"),
        ("phone 4155550132", "phone [PHONE]"),
        ("Call me at 555-0132.", "Call me at [PHONE]."),
        ("手机号是 138 001 38000。", "手机号是 [PHONE]。"),
        ("iPhone 15 2023-09-22", "iPhone 15 2023-09-22"),
        ("Recall 555-0132.", "Recall 555-0132."),
    ],
)
def test_a_label_makes_a_number_a_telephone_number(text, redacted):
    assert _redact([text])[0] == [redacted]


def test_an_ideographic_name_takes_at_most_four_characters():
    texts = ["张三@例子.公司", "发邮件到王小五@例子.公司。", "王五@example.com"]
    assert _redact(texts)[0] == ["[EMAIL]", "发邮件[EMAIL]。", "[EMAIL]"]


def test_a_private_key_that_the_end_of_the_text_cuts():
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + _draw(64) + "\n" + _draw(9)
    assert _redact([f"Here: {key}"])[0] == ["Here: [KEY]"]
    prose = "It starts with -----BEGIN PRIVATE KEY-----, as you know."
    assert _redact([prose])[0] == [prose]


def test_a_key_behind_a_path():
    got, _ = _redact([f"https://example.com/some/long/way/to/{_draw(40)}/x."])
    assert got == ["https://example.com/some/long/way/to/[KEY]/x."]


@pytest.mark.parametrize("size", [16, 24, 32, 64, 3000])
def test_random_bytes_are_nearly_always_found(size):
    """All are in hexadecimal; some of base64 look like words."""
    drawn = [_RANDOM.randbytes(size) for _ in range(300)]
    found, _ = _redact([data.hex() for data in drawn])
    assert found == ["[KEY]"] * 300
    if size >= 24:
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found, _ = _redact([encode(data).decode() for data in drawn])
            assert found.count("[KEY]") >= 270


def test_any_bytes_pass():
    texts = [
        b"",
        b"\x00",
        b"\xff\xfe ada@example.com \xff",
        b"\x1e\x1e:\x1e." + b"\x1e" * 9,
        b"\xe4\xb8 13800138000 \xe4",
    ]
    got, is_changed = redact(texts, KINDS)
    assert got.numpy().tolist() == [
        b"",
        b"\x00",
        b"\xff\xfe [EMAIL] \xff",
        texts[3],
        b"\xe4\xb8 [PHONE] \xe4",
    ]
    assert is_changed.numpy().tolist() == [False, False, True, False, True]


def test_random_bytes_that_hold_nothing_come_back():
    data = np.random.default_rng(0).integers(0, 48, (300, 40), np.uint8)
    texts = [bytes(row) for row in data]  # without digits and letters
    assert redact(texts, KINDS)[0].numpy().tolist() == texts


@pytest.mark.parametrize("piece", ["a", "1", "a@", "+1 ", "eyJ", "aB1_", "中"])
def test_a_long_text_takes_no_quadratic_time(piece):
    """A pattern that looked ahead from every letter would take minutes."""
    text = (piece * 10**6).encode()[: 10**6]
    assert redact([text], KINDS)[0].shape == (1,)


def test_in_a_graph_and_without_rows():
    spec = [tf.TensorSpec([None], tf.string)]
    graph = tf.function(
        lambda x: redact(x, KINDS), input_signature=spec, autograph=False
    )
    texts, is_changed = graph(tf.zeros([0], tf.string))
    assert texts.shape == is_changed.shape == (0,)
    rows = ["a@example.com", "none", "415-555-0132"]
    assert graph(rows)[1].numpy().tolist() == [True, False, True]


def test_no_kinds_change_nothing():
    assert _redact(["ada@example.com"], ())[0] == ["ada@example.com"]


@pytest.mark.parametrize("kinds", ["email", ["name"], ["key", "key"], [1]])
def test_kinds_that_are_refused(kinds):
    with pytest.raises(ValueError, match="`redact` must be different kinds"):
        check_kinds(kinds)
    if not isinstance(kinds, str):
        with pytest.raises(ValueError, match="`redact` must be"):
            redact(["x"], kinds)


def test_kinds_that_pass():
    check_kinds(())
    check_kinds(KINDS)
