"""Examples and what a model wrote for them in, a page of HTML out.

It needs nothing but itself: no font, script or picture from elsewhere.
"""

import html

from gpt_keras.evaluation.generation_task import GenerationResult
from gpt_keras.evaluation.generation_task import GenerationTask

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 75rem; padding: 0 1rem; color: #1c1c1c; background: #ffffff; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { border: 1px solid #b8b8b8; padding: .4rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; white-space: pre-wrap; }
th { background: #efefef; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code, .field { color: #5a5a5a; font-size: .85em; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #161616; }
  th, td { border-color: #4c4c4c; }
  th { background: #262626; }
  code, .field { color: #a8a8a8; }
}
"""


def to_html(
    title: str, parts: list[tuple[str, GenerationTask, GenerationResult]]
) -> str:
    """Returns a page with scores, and below them each example.

    Args:
        title: Of the page.
        parts: Of each part a heading, a task and its result.

    Returns:
        A whole document; every text in it is escaped.
    """
    body = "\n".join(_part(*part) for part in parts)
    title = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )


def _part(heading: str, task: GenerationTask, result: GenerationResult) -> str:
    language = html.escape(task.language, quote=True)
    return (
        f"<h2>{html.escape(heading)}</h2>\n{_scores(task, result)}\n"
        "<table>\n<tr><th>prompt</th><th>reference</th><th>output</th></tr>\n"
        + "\n".join(
            f"<tr><td>{_fields(example.shown)}</td>"
            f'<td lang="{language}">{_lines(example.references)}</td>'
            f'<td lang="{language}">{html.escape(text)}</td></tr>'
            for example, text in zip(
                task.examples, result.predictions, strict=True
            )
        )
        + "\n</table>"
    )


def _scores(task: GenerationTask, result: GenerationResult) -> str:
    heads = ["metric", "this model", "signature"]
    if result.baseline:
        heads.insert(2, task.baseline_name)
    rows = ["".join(f"<th>{html.escape(head)}</th>" for head in heads)]
    for name, score in result.scores.items():
        values = [score.value]
        if result.baseline:
            values.append(result.baseline[name].value)
        rows.append(
            f"<td>{html.escape(name)}</td>"
            + "".join(f'<td class="number">{x:.2f}</td>' for x in values)
            + f"<td><code>{html.escape(score.signature)}</code></td>"
        )
    return (
        "<table>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
    )


def _fields(shown: dict[str, str]) -> str:
    return "\n".join(
        f'<span class="field">{html.escape(name)}</span> {html.escape(text)}'
        for name, text in shown.items()
    )


def _lines(texts) -> str:
    return "\n".join(map(html.escape, texts))
