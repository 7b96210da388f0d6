"""Readers of the upstream layouts: what they make of good files, and of bad ones."""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.text.completions import Completion, Reading, Turn
from churnsaver_assets.data.text.hh_rlhf import read_hh_rlhf
from churnsaver_assets.data.text.language import is_english
from churnsaver_assets.data.text.oasst import (
    read_pairs,
    read_preferences,
    read_trees_best,
    read_trees_ranks,
)
from churnsaver_assets.data.text.others import read_dolly, read_dolly_cut, read_qa_feedback
from churnsaver_assets.data.text.shp import read_shp
from tests.support.data.layouts import hh, lines, message, packed, post, tree

ASKED = Turn("user", "How do I bake bread?")


def ranked_tree() -> dict[str, Any]:
    follow_up = message(
        "And rolls?",
        "prompter",
        replies=[message("The same.", rank=1), message("Bake them for less time.", rank=0)],
    )
    replies = [
        message("Badly.", rank=2),
        message("With flour.", rank=0, replies=[follow_up]),
        message("With care.", rank=1),
        message("Mit Mehl.", rank=3, lang="de"),
        message("Spam", rank=4, deleted=True),
        message("As a model I bake.", rank=5, synthetic=True),
        message("Refused in review", rank=6, review_result=False),
    ]
    return tree(message(ASKED.content, "prompter", replies=replies))


def test_trees_give_the_best_reply_to_each_users_turn() -> None:
    reading = read_trees_best(packed([ranked_tree()]), "trees.jsonl.gz")
    assert sorted(reading.completions) == sorted(
        [
            Completion((ASKED,), "With flour."),
            Completion(
                (ASKED, Turn("assistant", "With flour."), Turn("user", "And rolls?")),
                "Bake them for less time.",
            ),
        ]
    )
    assert reading.dropped["message not English, deleted or synthetic"] == 4


def test_trees_give_every_two_ranked_siblings() -> None:
    reading = read_trees_ranks(packed([ranked_tree()]), "trees.jsonl.gz")
    pairs = {(one.reply, one.rejected) for one in reading.completions}
    assert pairs == {
        ("With flour.", "With care."),
        ("With flour.", "Badly."),
        ("With care.", "Badly."),
        ("Bake them for less time.", "The same."),
    }


def test_what_has_no_rank_is_not_guessed() -> None:
    two = tree(message("Q?", "prompter", replies=[message("One."), message("Two.")]))
    one = tree(message("P?", "prompter", replies=[message("Only.")]))
    best = read_trees_best(lines([two, one]), "trees.jsonl")
    assert [completion.reply for completion in best.completions] == ["Only."]
    assert best.dropped["replies not ranked"] == 1
    ranks = read_trees_ranks(lines([two, one]), "trees.jsonl")
    assert ranks.completions == []
    assert (ranks.dropped["replies not ranked"], ranks.dropped["one reply only"]) == (1, 1)


def test_trees_that_were_not_published_are_left_out() -> None:
    aborted = ranked_tree() | {"tree_state": "aborted_low_grade"}
    foreign = tree(message("Wie geht das?", "prompter", lang="de", replies=[message("So.")]))
    reading = read_trees_best(lines([aborted, foreign]), "trees.jsonl")
    assert reading.completions == []
    assert sum(reading.dropped.values()) == 2


def test_a_tree_of_a_thousand_turns_is_read() -> None:
    turn = message("end", "assistant")
    for depth in range(400):
        turn = message(f"turn {depth}", ("prompter", "assistant")[depth % 2], replies=[turn])
    root = turn if turn["role"] == "prompter" else message("open", "prompter", replies=[turn])
    assert len(read_trees_best(lines([tree(root)]), "trees.jsonl").completions) > 150


def test_a_transcript_is_split_at_the_last_reply() -> None:
    before = "\n\nHuman: Hi\n\nAssistant: Hello: yes?\n\nHuman: What now?"
    reading = read_hh_rlhf(packed([hh(before, "Rest.", "Work.")]), "hh.jsonl.gz")
    assert reading.completions == [
        Completion(
            (Turn("user", "Hi"), Turn("assistant", "Hello: yes?"), Turn("user", "What now?")),
            " Rest.",
            " Work.",
        )
    ]


def test_transcripts_that_differ_before_the_last_reply_are_counted() -> None:
    row = {
        "chosen": "\n\nHuman: A?\n\nAssistant: yes",
        "rejected": "\n\nHuman: B?\n\nAssistant: no",
    }
    cut = hh("\n\nHuman: A?\n\nAssistant: Hm.", "yes", "no")
    reading = read_hh_rlhf(lines([row, cut]), "hh.jsonl")
    assert reading.completions == []
    assert reading.dropped == {
        "text before the last reply differs": 1,
        "no human turn before the last reply": 1,
    }


def test_two_turns_of_one_speaker_are_one_turn() -> None:
    before = "\n\nHuman: A?\n\nHuman: B?"
    (completion,) = read_hh_rlhf(lines([hh(before, "yes", "no")]), "hh.jsonl").completions
    assert completion.messages == (Turn("user", "A?\n\nB?"),)


def test_votes_under_twice_as_many_and_pairs_over_five_are_counted() -> None:
    rows = [post("bread", 2.0 + step) for step in range(7)]
    rows += [post("soup", 1.9), post("soup", 2.0, label=0), post("stew", 1e999)]
    reading = read_shp(lines(rows), "shp.jsonl")
    assert (
        sum(one.messages[0].content == "What is bread about?" for one in reading.completions) == 5
    )
    assert reading.dropped == {"score ratio below 2": 2, "over 5 pairs of one post": 2}
    (soup,) = [one for one in reading.completions if "soup" in one.reply]
    assert soup.reply.startswith("second")
    assert soup.rejected.startswith("first")
    assert soup.margin == pytest.approx(math.log(2))
    turned = read_shp(lines(reversed(rows)), "shp.jsonl")
    assert sorted(turned.completions) == sorted(reading.completions)


def qa(preference: list[int]) -> dict[str, Any]:
    outputs = {f"prediction {number}": f"output {number}" for number in range(1, 5)}
    return {"question": "Why?", "passages": [], "preference": preference, **outputs}


def test_comparisons_of_outputs_come_in_the_published_order() -> None:
    # 1 and 2, 1 and 3, 1 and 4, 2 and 3, 2 and 4, 3 and 4: the data set's README.
    reading = read_qa_feedback(json.dumps([qa([0, 1, 2, 1, 0, 2])]).encode(), "qa.json")
    pairs = [(one.reply[-1], one.rejected[-1]) for one in reading.completions]
    assert pairs == [("1", "3"), ("4", "1"), ("2", "3"), ("4", "3")]
    assert reading.dropped == {"tie": 2}


def test_dollys_context_belongs_to_the_prompt() -> None:
    rows = [
        {"instruction": "Sum up.", "context": "A long text.", "response": "Short."},
        {"instruction": "Name one.", "context": " ", "response": "One."},
    ]
    prompts = [
        one.messages[0].content for one in read_dolly(lines(rows), "dolly.jsonl").completions
    ]
    assert prompts == ["Sum up.\n\nA long text.", "Name one."]


def parquet(columns: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as writer

    target = io.BytesIO()
    writer.write_table(pa.table(columns), target)
    return target.getvalue()


def mirror_pairs(**changed: Any) -> bytes:
    context = [{"role": "prompter", "text": "Hi"}, {"role": "assistant", "text": "Hello"}]
    row = {
        "context_json": json.dumps(context),
        "prompt": "And now?",
        "best_reply": "Rest.",
        "best_in_final_release": True,
        "chosen": "Rest.",
        "rejected": "Work.",
        "chosen_rank": 0,
        "rejected_rank": 1,
        **changed,
    }
    return parquet({name: [value] for name, value in row.items()})


def test_the_mirrors_context_becomes_earlier_turns() -> None:
    messages = (Turn("user", "Hi"), Turn("assistant", "Hello"), Turn("user", "And now?"))
    assert read_pairs(mirror_pairs(), "p").completions == [Completion(messages, "Rest.")]
    assert read_preferences(mirror_pairs(), "p").completions == [
        Completion(messages, "Rest.", "Work.")
    ]
    for unsure in (False, None):
        reading = read_pairs(mirror_pairs(best_in_final_release=unsure), "p")
        assert reading.completions == []
        assert sum(reading.dropped.values()) == 1


def test_replies_that_may_be_cut_are_left_out() -> None:
    content = parquet(
        {
            "instruction": ["A?", "B?"],
            "response": ["a", "b"],
            "maybe_truncated": [True, False],
        }
    )
    reading = read_dolly_cut(content, "dolly.parquet")
    assert [one.reply for one in reading.completions] == ["b"]
    assert reading.dropped == {"reply may have been cut": 1}


GOOD = hh("\n\nHuman: A?", "yes", "no")
PROMPT = "prompter"
BAD_FILES: list[tuple[Callable[[bytes, str], Reading], str, bytes, str]] = [
    (read_hh_rlhf, "hh.jsonl", lines([GOOD]) + b"{oops\n", "hh.jsonl, line 2: expected a JSON"),
    (read_hh_rlhf, "hh.jsonl", lines([GOOD]) + b"\n" + lines([GOOD]), "line 2: expected a JSON"),
    (read_hh_rlhf, "hh.jsonl", b'{"chosen": "\xff"}\n', "line 1: expected a JSON object"),
    (read_hh_rlhf, "hh.jsonl", b"[1]\n", "line 1: expected an object, found [1]"),
    (read_hh_rlhf, "hh.jsonl", lines([{"chosen": "x"}]), "line 1: expected field 'rejected'"),
    (
        read_hh_rlhf,
        "hh.jsonl",
        lines([{"chosen": 1, "rejected": "x"}]),
        "line 1: expected 'chosen' to be str, found 1",
    ),
    (
        read_hh_rlhf,
        "hh.jsonl",
        lines([GOOD, {"chosen": "\n\nHuman: A?", "rejected": "x"}]),
        "line 2, chosen: expected an 'Assistant:' turn",
    ),
    (
        read_hh_rlhf,
        "hh.jsonl",
        lines([hh("A?", "x", "y")]),
        "line 1: expected the transcript to open with 'Human:', found 'A?'",
    ),
    (read_hh_rlhf, "hh.jsonl.gz", packed([GOOD])[:-9], "hh.jsonl.gz: can't be unpacked"),
    (read_hh_rlhf, "hh.jsonl.gz", b"\x1f\x8b", "hh.jsonl.gz: can't be unpacked"),
    (read_shp, "shp.jsonl", lines([post("a", 3.0, label=2)]), "line 1: expected labels to be 0"),
    (
        read_shp,
        "shp.jsonl",
        lines([post("a", 3.0), post("b", 3.0, score_ratio="high")]),
        "line 2: expected 'score_ratio' to be int or float, found 'high'",
    ),
    (
        read_shp,
        "shp.jsonl",
        lines([post("a", 3.0) | {"labels": True}]),
        "line 1: expected 'labels' to be int, found True",
    ),
    (
        read_trees_best,
        "t.jsonl",
        lines([tree(message("Q?", "assistant"))]),
        "line 1: message id of Q?: expected role 'prompter', found 'assistant'",
    ),
    (
        read_trees_best,
        "t.jsonl",
        lines([tree(message("Q?", PROMPT, replies=[message("R?", PROMPT)]))]),
        "line 1: message id of R?: expected role 'assistant', found 'prompter'",
    ),
    (
        read_trees_ranks,
        "t.jsonl",
        lines([tree(message("Q?", PROMPT, replies=[message("R", rank="first")]))]),
        "line 1: expected 'rank' to be int or NoneType, found 'first'",
    ),
    (
        read_trees_ranks,
        "t.jsonl",
        lines([{"message_tree_id": "x", "prompt": {}}]),
        "line 1: expected field 'tree_state', found 'message_tree_id', 'prompt'",
    ),
    (read_qa_feedback, "qa.json", b"{}", "qa.json: expected a JSON array, found {}"),
    (read_qa_feedback, "qa.json", b"[", "qa.json: expected a JSON array"),
    (
        read_qa_feedback,
        "qa.json",
        json.dumps([qa([0] * 6), qa([0, 1])]).encode(),
        "qa.json, entry 2: expected preference to be six of 0, 1 and 2, found [0, 1]",
    ),
    (read_pairs, "p.parquet", b"PAR1", "p.parquet: expected a parquet file"),
    (
        read_pairs,
        "p.parquet",
        parquet({"prompt": ["x"]}),
        "p.parquet: expected columns best_in_final_release, best_reply, context_json",
    ),
    (
        read_pairs,
        "p.parquet",
        mirror_pairs(context_json="[{}]"),
        "p.parquet, row 1, context_json: expected field 'role'",
    ),
    (
        read_pairs,
        "p.parquet",
        mirror_pairs(context_json='[{"role": "prompter", "text": "Hi"}]'),
        "p.parquet, row 1: expected context_json to end with the assistant's turn",
    ),
    (
        read_preferences,
        "p.parquet",
        mirror_pairs(chosen_rank=1),
        "p.parquet, row 1: expected chosen_rank below rejected_rank, found 1 and 1",
    ),
]


@pytest.mark.parametrize(("read", "name", "content", "said"), BAD_FILES)
def test_a_bad_file_is_named_with_place_and_what_was_expected(
    read: Callable[[bytes, str], Reading], name: str, content: bytes, said: str
) -> None:
    with pytest.raises(TableError) as caught:
        read(content, name)
    assert said in str(caught.value)
    assert str(caught.value).startswith(name)


@pytest.mark.parametrize(
    "text",
    [
        "How do I bake bread? You need flour and water.",
        "ok",
        "",
        "Name five fruits. Apple, pear, plum, cherry, fig",
        "def add(a, b):\n    return a + b",
        "The naïve café owner said: déjà vu is not a plan for you.",
    ],
)
def test_english_and_what_may_be_english_passes(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize(
    "text",
    [
        "¿Qué es lo más importante para los niños en una casa?",
        "Quelle est la meilleure façon de faire du pain dans une petite maison?",
        "Wie kann ich das Brot backen, und was ist mit dem Mehl?",
        "Qual è la cosa che non ti piace della scuola?",
        "Hoe kan ik het brood bakken, en wat is een goede oven voor mij?",
        "Как мне испечь хлеб?",
        "如何烤面包",
        (
            "Kuinka leivon leipää kotona ilman uunia ja mitä jauhoja kannattaa ostaa kaupasta jos "
            "haluan tehdä sen hyvin halvalla ja nopeasti vielä tänään illalla"
        ),
    ],
)
def test_other_languages_do_not_pass(text: str) -> None:
    assert not is_english(text)


def test_packed_and_plain_files_read_the_same() -> None:
    content = lines([GOOD, GOOD])
    plain = read_hh_rlhf(content, "hh.jsonl")
    assert read_hh_rlhf(gzip.compress(content), "hh.jsonl.gz").completions == plain.completions
