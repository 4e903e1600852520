"""The program `explain` with endpoints that reason, refuse, or leave out what others send: real requests and tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_stages
from loopback import Answer, Server, completion, reader, serving

from n2g.errors import InputError
from n2g.files.tables import read_table

BLOCK = "0/00000-00007"
SCORES = ("label", "ev_correlation", "rsquared", "rated", "validation")
Responder = Callable[[dict], Answer]


def answering(body: dict) -> Answer:
    return completion(reader(body))


def reply(message: dict, finish: str | None = "stop", **changes: Any) -> Answer:
    """A chat completion with another message; null in `changes` is null, and ... leaves the key out."""
    status, content = completion("", str(finish))
    (choice,) = content["choices"]
    choice |= {"message": {"role": "assistant", **message}, "finish_reason": finish}
    for key, value in changes.items():
        place = choice if key in choice else content
        place[key] = value
        if value is ...:
            del place[key]
    return status, content


def simulates(body: dict) -> bool:
    return "predict the activation" in str(body["messages"])


class Program:
    """The program on the block of a small model. `server`: what it asked last. `answers`: the folder of kept ones."""

    server: Server

    def __init__(self, run: Path, folder: Path):
        self.run, self.answers, self.table = run, folder / "answers", folder / "explanations.parquet"

    def __call__(self, respond: Responder, **keys: object) -> list[dict]:
        """The rows of the language model."""
        places = (
            "--checkpoint",
            self.run / "checkpoint" / "checkpoint.json",
            "--corpus",
            self.run / "corpus",
        )
        block = ("--block", self.run / "out" / BLOCK, "--layer", 0, "--device", "cpu")
        with serving(respond) as self.server:
            section = json.dumps({"base_url": self.server.url, "model": "m"} | keys)
            output = ("--explain", section, "--answers", self.answers, "--output", self.table)
            tiny_stages.stage("explain", *places, *block, *output)
        return [
            row for row in read_table(self.table, "explanations").to_pylist() if row["explainer"] == "model"
        ]

    def kept(self) -> list[dict]:
        """The answers that are kept."""
        return [json.loads(file.read_text())["reply"] for file in self.answers.rglob("*.json")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    checkpoint = tiny_stages.make_model(folder)
    corpus = tiny_stages.make_corpus(folder, checkpoint)
    tiny_stages.observe(checkpoint, corpus, folder / "out", [BLOCK])
    tiny_stages.fit(checkpoint, corpus, folder / "out", [BLOCK])
    return folder


@pytest.fixture(scope="module")
def usual(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], list[dict]]:
    """The rows where all goes well, and the questions in their order."""
    program = Program(finished, tmp_path_factory.mktemp("usual"))
    rows = program(answering)
    assert len(rows) > 5 and {row["status"] for row in rows} == {"ok"}
    return rows, program.server.bodies


@pytest.fixture
def program(finished: Path, tmp_path: Path) -> Iterator[Program]:
    return Program(finished, tmp_path)


def scores(rows: list[dict]) -> list[tuple]:
    return [tuple(row[name] for name in SCORES) for row in rows]


ONLY_THOUGHTS: dict[str, Answer] = {
    "hidden": reply({"content": ""}, "length"),
    "null": reply({"content": None}, "length"),
    "no end": reply({"content": "<think>The texts seem to"}, "length"),
    "elsewhere": reply({"content": None, "reasoning_content": "the token"}),
}


@pytest.mark.parametrize("thoughts", ONLY_THOUGHTS.values(), ids=ONLY_THOUGHTS)
@pytest.mark.parametrize("key", ["explain.model", "explain.simulator"])
def test_answers_of_nothing_but_thoughts_end_it_soon(program: Program, thoughts: Answer, key: str) -> None:
    """The sentence names the key of the model that reasons; no table is written, and no empty answer is kept."""
    both = {"simulator": "thinker"} if key == "explain.simulator" else {}
    with pytest.raises(InputError, match=rf"^{key}: \w+ spends its answers on reasoning .* in {key} that"):
        program(lambda body: answering(body) if both and not simulates(body) else thoughts, **both)
    assert len(program.server.bodies) < 8 and not program.table.exists()
    assert bool(program.kept()) == bool(both) and all(one["text"] for one in program.kept())


def test_an_empty_answer_of_an_earlier_version_is_asked_for_again(program: Program, usual: tuple) -> None:
    program(answering)
    file = sorted(program.answers.rglob("*.json"))[0]
    content = json.loads(file.read_text())
    content["reply"] |= {"text": "", "ended": False}
    file.write_text(json.dumps(content))
    assert program(answering) == usual[0] and len(program.server.bodies) == 1


def test_what_a_simulator_thinks_first_is_no_simulation(program: Program, usual: tuple) -> None:
    def answer(body: dict) -> Answer:
        return completion(f"<think>1\ta\t7\n2\tb\t9</think>{reader(body)}")

    assert scores(program(answer)) == scores(usual[0])


def test_a_simulator_that_gives_no_numbers_makes_no_neuron_ok(program: Program) -> None:
    def answer(body: dict) -> Answer:
        few = "L" if len(program.server.bodies) < 40 else reader(body)
        return completion(few if simulates(body) else reader(body))

    rows = program(answer)
    assert (rows[0]["status"], rows[-1]["status"]) == ("unanswered", "ok")
    assert rows[0]["label"]
    with pytest.raises(
        InputError, match=r"^explain\.model: nothing comes of .* \(the simulator gives no numbers\)"
    ):
        program(lambda body: completion("no" if simulates(body) else reader(body)), model="other")


REFUSALS: dict[str, Answer] = {
    "400": (400, {"error": {"message": "filtered by the content policy"}}),
    "403": (403, {"error": {"message": "filtered by moderation"}}),
    "413": (413, {"error": {"message": "filtered, as too large"}}),
    "422": (422, {"error": {"message": "filtered: maximum context length is 10 tokens"}}),
    "filter": reply({"content": ""}, "content_filter"),
    "refusal": reply({"content": None, "refusal": "filtered: I cannot help with that"}),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
def test_a_question_that_is_refused_costs_its_neuron_only(
    program: Program, usual: tuple, refusal: Answer, which: int, capfd: pytest.CaptureFixture
) -> None:
    rows, questions = usual
    labels = [body["messages"][3] for body in questions if len(body["messages"]) == 4 and not simulates(body)]
    found = program(lambda body: refusal if labels[which] in body["messages"] else answering(body))
    assert found[which]["status"] == "unanswered" and not found[which]["label"]
    assert f"neuron {rows[which]['neuron']}, positive: unanswered (" in capfd.readouterr().out
    others = [row for row in rows if row["neuron"] != rows[which]["neuron"]]
    assert [row for row in found if row["status"] == "ok"] == others, "the others are as ever"
    assert all(body.get("logprobs") for body in program.server.bodies if simulates(body))
    assert len(program.kept()) < len(questions) and program(answering) == rows, "a later run asks again"


def test_a_simulation_that_is_refused_leaves_the_label(program: Program, usual: tuple) -> None:
    rows, questions = usual
    simulations = [body["messages"] for body in questions if simulates(body)]
    found = program(lambda body: REFUSALS["400"] if body["messages"] == simulations[-1] else answering(body))
    assert found[:-1] == rows[:-1]
    assert (found[-1]["status"], found[-1]["label"]) == ("unanswered", rows[-1]["label"])


def test_a_model_that_refuses_every_question_ends_it_with_what_it_says(program: Program) -> None:
    with pytest.raises(
        InputError, match=r"^explain\.model: nothing comes of .* \(.*maximum context length .*\)"
    ):
        program(lambda body: answering(body) if len(str(body)) < 400 else REFUSALS["422"])


def test_a_template_without_a_system_role_is_asked_without_one(program: Program, usual: tuple) -> None:
    def answer(body: dict) -> Answer:
        roles = [message["role"] for message in body["messages"]]
        if roles != (["user", "assistant"] * len(roles))[: len(roles)]:
            return 400, {
                "error": {"message": "Conversation roles must alternate user/assistant/user/assistant/..."}
            }
        first, *others = body["messages"]
        system, _, asked = first["content"].partition("\n\n")
        return completion(reader({"messages": [{"content": system}, {"content": asked}, *others]}))

    assert scores(program(answer)) == scores(usual[0])
    assert all(body.get("logprobs") for body in program.server.bodies[1:] if simulates(body))


def token(text: str, **alternatives: Any) -> dict:
    return {"content": [{"token": text, "logprob": -0.1, "bytes": None, **alternatives}]}


LEFT_OUT: dict[str, Callable[[str], Answer]] = {
    "alternatives null": lambda text: reply({"content": text}, logprobs=token(text, top_logprobs=None)),
    "alternatives absent": lambda text: reply({"content": text}, logprobs=token(text)),
    "another kind of log-probabilities": lambda text: reply(
        {"content": text}, logprobs={"tokens": [text], "token_logprobs": [-0.1]}
    ),
    "log-probabilities absent": lambda text: reply({"content": text}, logprobs=...),
    "usage null": lambda text: reply({"content": text}, usage=None),
    "usage absent": lambda text: reply({"content": text}, usage=...),
    "counts null": lambda text: reply({"content": text}, usage={"prompt_tokens": None, "total_tokens": 3}),
    "finish absent": lambda text: reply({"content": text}, finish_reason=...),
    "parts": lambda text: reply(
        {"content": [{"type": "text", "text": part} for part in (text[:9], text[9:])]}
    ),
}


@pytest.mark.parametrize("left_out", LEFT_OUT.values(), ids=LEFT_OUT)
def test_the_text_is_enough(program: Program, usual: tuple, left_out: Callable[[str], Answer]) -> None:
    assert scores(program(lambda body: left_out(reader(body)))) == scores(usual[0])
    assert len(program.server.bodies) == len(usual[1]), "nothing is asked twice"


def test_a_log_probability_that_is_no_number_counts_for_nothing(program: Program, usual: tuple) -> None:
    def answer(body: dict) -> Answer:
        text = reader(body)
        pieces = [
            {"token": sign, "top_logprobs": [{"token": sign, "logprob": float("nan")}]} for sign in text
        ]
        return reply({"content": text}, logprobs={"content": pieces})

    assert scores(program(answer)) == scores(usual[0])


@pytest.mark.parametrize("value", ["sk-1\n", " sk-1 ", "sk-1\r\n"])
def test_a_key_is_sent_without_what_surrounds_it(
    program: Program, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("TINY_KEY", value)
    program(answering, key="TINY_KEY")
    assert {one["authorization"] for one in program.server.headers} == {"Bearer sk-1"}


def test_a_local_model_whose_template_knows_no_system_role(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("n2g.explain.neuron.LABEL_TOKENS", 8)
    model = tiny.save_llama(tmp_path / "chat", context=20_000)
    (model / "chat_template.jinja").write_text(
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for message in messages %}{{ message.content }}{% endfor %}"
    )
    rows = program(answering, base_url=None, model=None, local=str(model))
    assert {row["status"] for row in rows} <= {"ok", "invalid"} and not program.server.bodies
    assert program.kept() and {row["model"] for row in rows} == {next(iter(rows))["model"]}


def test_a_local_model_with_a_short_context(program: Program, tmp_path: Path) -> None:
    model = tiny.save_gpt2(tmp_path / "chat")
    said = r"^explain\.local: .* has too short a context \(a question takes .* of its 64 tokens\)"
    with pytest.raises(InputError, match=said):
        program(answering, base_url=None, model=None, local=str(model))
    assert not program.table.exists() and not program.kept()
