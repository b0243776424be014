"""A beam search in plain Python, for the tests of the one in the graph."""

from typing import NamedTuple

STOP = "end of text"


class Found(NamedTuple):
    """A hypothesis that ended: `token_ids` without the end of the text."""

    score: float
    log_prob: float
    token_ids: tuple
    reason: str


def plain_search(
    follow, num_beams, length_penalty, limit, end, stops_early=True
):
    """Returns the best hypotheses of one row, the best first.

    Args:
        follow: Takes tokens; gives by token its log-probability and why it
            would end, or an empty reason. -inf for what must not come.
        num_beams: A number.
        length_penalty: A number.
        limit: The most tokens, the end of the text counted.
        end: The token that ends.
        stops_early: Whether to end when nothing can get better; otherwise
            only without live ones.
    """

    def score(log_prob, length):
        return log_prob / ((5 + length) / 6) ** length_penalty

    if limit < 1:
        return [Found(0.0, 0.0, (), "limit")]
    live, best = [(0.0, ())], []
    for length in range(1, limit + 1):
        tried = []
        for log_prob, tokens in live:
            for token, (more, reason) in enumerate(follow(tokens)):
                if token == end:
                    reason, written = STOP, tokens
                else:
                    reason = reason or ("limit" if length == limit else "")
                    written = (*tokens, token)
                if more > -float("inf"):
                    tried.append((log_prob + more, written, reason))
        tried.sort(key=lambda one: -one[0])  # stable: beam, then token
        best += [
            Found(score(total, length), total, written, reason)
            for total, written, reason in tried[:num_beams]
            if reason
        ]
        best.sort(key=lambda one: -one.score)
        del best[num_beams:]
        live = [(total, x) for total, x, reason in tried if not reason]
        del live[num_beams:]
        if not live or (num_beams == 1 and best):
            break
        bound = max(
            score(live[0][0], later) for later in range(length + 1, limit + 1)
        )
        is_full = len(best) == num_beams
        if stops_early and is_full and bound <= best[-1].score:
            break
    return best
