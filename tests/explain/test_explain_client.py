"""Asking a model: an endpoint that fails in every way, answers that are kept, and a local model."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
import tiny
from loopback import Answer, completion, serve_model, serving

from n2g.errors import InputError
from n2g.explain.cache import Account, BudgetSpent, Kept
from n2g.explain.chat import Piece, Refused, Reply, Request
from n2g.explain.endpoint import Endpoint
from n2g.explain.local_model import Local

ASKED = Request(({"role": "user", "content": "Hello?"},), 20)
RATED = replace(ASKED, lines=("1\ta\t", "2\tb\t"))
KEY = "sk-very-secret"


def failing(times: int, fault: Callable[[], Answer]) -> Callable[[dict], Answer]:
    """Answers with a fault so many times, then as it should."""
    left = [fault] * times
    return lambda body: left.pop()() if left else completion("Hi.")


def slow() -> Answer:
    time.sleep(1.0)
    return completion("too late")


FAULTS = {
    "429": lambda: (429, {"error": {"message": "slow down"}}),
    "500": lambda: (500, {"error": {"message": "oops"}}),
    "time-out": slow,
    "no JSON": lambda: (200, b"{"),
    "other JSON": lambda: (200, {"hello": 1}),
    "no choice": lambda: (200, {"choices": [], "usage": None}),
    "hangs up": lambda: None,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_tried_again(fault: str) -> None:
    with serving(failing(1, FAULTS[fault])) as server:
        reply = Endpoint(server.url, "m", KEY, timeout=0.5, retries=2).answer(ASKED)
    assert reply == Reply("Hi.", True, 10, 3)
    assert len(server.bodies) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_one_sentence(fault: str) -> None:
    with serving(failing(99, FAULTS[fault])) as server:
        with pytest.raises(InputError, match=r"^explain\.base_url: .*(fix this|check the URL)") as caught:
            Endpoint(server.url, "m", KEY, timeout=0.2, retries=0).answer(ASKED)
        assert "\n" not in str(caught.value) and KEY not in str(caught.value)


def changed(**parts: Any) -> Answer:
    """A chat completion with other parts."""
    status, content = completion("Hi.")
    return status, json.dumps(content | parts).encode()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, {"error": {"message": "model is loading", "code": 503}}), "model is loading"),
        ((200, {"detail": "Not Found"}), "Not Found"),
        ((200, b"[" * 100_000), "recursion"),
        ((200, b'{"choices": []}'), "an answer without a choice"),
    ],
)
def test_what_an_endpoint_says_instead_of_an_answer(answer: Answer, said: str) -> None:
    with (
        serving(lambda body: answer) as server,
        pytest.raises(InputError, match=f"endpoint .*{said}.*check the URL"),
    ):
        Endpoint(server.url, "m", retries=0).answer(ASKED)


@pytest.mark.parametrize("count", [float("inf"), float("nan"), -5, 1e300, "many", None, [1]])
def test_counts_of_tokens_that_are_none(count: object) -> None:
    with serving(lambda body: changed(usage={"prompt_tokens": count, "completion_tokens": 3})) as server:
        assert Endpoint(server.url, "m", retries=0).answer(ASKED) == Reply("Hi.", True, 0, 3)


def test_half_a_character_in_an_answer() -> None:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "cut \ud83d"}}
    with serving(lambda body: changed(choices=[choice])) as server:
        assert Endpoint(server.url, "m", retries=0).answer(ASKED).text == "cut \ufffd"


def test_why_a_connection_fails() -> None:
    with serving(lambda body: completion("Hi.")) as server:
        secure = server.url.replace("http:", "https:")
        with pytest.raises(InputError, match=r"does not respond \(Connection error: .*SSL"):
            Endpoint(secure, "m", retries=0).answer(ASKED)
    with pytest.raises(InputError, match=r"Connection error: .*refused"):
        Endpoint(server.url, "m", retries=0).answer(ASKED)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_on_the_way_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on the way to this machine, where hardly anybody wants one."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(lambda body: completion("Hi.")) as server:
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
        with pytest.raises(InputError, match="does not respond") as said:
            Endpoint(server.url, "m", retries=0).answer(ASKED)
        assert f"{server.url} (through the proxy in {variable}, as NO_PROXY does not list" in str(said.value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert Endpoint(server.url, "m", retries=0).answer(ASKED).text == "Hi."


def test_pauses_grow_while_answers_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("n2g.explain.endpoint.time.sleep", pauses.append)
    with serving(failing(3, FAULTS["no choice"])) as server:
        assert Endpoint(server.url, "m", retries=3).answer(ASKED).text == "Hi."
    assert pauses == [0.5, 1.0, 2.0]


def test_a_server_that_is_gone_is_one_sentence() -> None:
    with serving(lambda body: completion("Hi.")) as server:
        endpoint = Endpoint(server.url, "m", retries=0)
        assert endpoint.answer(ASKED).text == "Hi."
    with pytest.raises(InputError, match="does not respond"):
        endpoint.answer(ASKED)


def test_the_key_goes_to_the_endpoint_and_into_no_message() -> None:
    refusal = (401, {"error": {"message": f"Incorrect API key: {KEY}"}})
    with (
        serving(lambda body: refusal) as server,
        pytest.raises(InputError, match=r"rejects .*explain\.key") as caught,
    ):
        Endpoint(server.url, "m", KEY).answer(ASKED)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}" and len(server.bodies) == 1
    assert "Incorrect" in str(caught.value) and KEY not in str(caught.value)


def test_an_endpoint_that_refuses_parameters_is_asked_without_them() -> None:
    def answer(body: dict) -> Answer:
        if {"logprobs", "temperature", "max_tokens"} & set(body):
            return 400, {"error": {"message": "unsupported parameter"}}
        return completion("1")

    with serving(answer) as server:
        endpoint = Endpoint(server.url, "m")
        assert endpoint.answer(RATED).text == endpoint.answer(RATED).text == "1"
    assert [body.get("logprobs") for body in server.bodies] == [True, None, None, None]
    assert [body.get("max_completion_tokens") for body in server.bodies] == [None, None, 20, 20]


@pytest.mark.parametrize("status", [400, 500])
def test_an_endpoint_that_refuses_the_system_role_is_asked_without(status: int) -> None:
    """Servers that run templates themselves take their errors for their own."""

    def answer(body: dict) -> Answer:
        if body["messages"][0]["role"] == "system":
            return status, {"error": {"message": "System role not supported"}}
        return completion(body["messages"][0]["content"])

    asked = replace(RATED, messages=({"role": "system", "content": "Be brief."}, *RATED.messages))
    with serving(answer) as server:
        endpoint = Endpoint(server.url, "m", retries=0)
        assert endpoint.answer(asked).text == endpoint.answer(asked).text == "Be brief.\n\nHello?"
    assert [body.get("logprobs") for body in server.bodies] == [True, None, None, True, True]


def test_answers_are_kept_and_asked_for_once(tmp_path: Path) -> None:
    def answer(body: dict) -> Answer:
        time.sleep(0.05)  # so that all threads ask while the first waits
        return completion("Hi.")

    with serving(answer) as server:
        kept = Kept(Endpoint(server.url, "m", KEY), tmp_path)
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(kept.answer, [ASKED] * 8))
        assert len(server.bodies) == 1 and replies == [Reply("Hi.", True, 10, 3)] * 8
        assert (kept.asked, kept.known) == (1, 7)
        kept.answer(replace(ASKED, limit=21))
        Kept(Endpoint(server.url, "other", KEY), tmp_path).answer(ASKED)
        assert len(server.bodies) == 3, "another question or model is asked"
        again = Kept(Endpoint(server.url, "m", KEY), tmp_path)
        assert again.answer(ASKED) == replies[0] and again.asked == 0
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) == 3 and all(KEY not in path.read_text() for path in files)
        for path in files:
            path.write_text(path.read_text()[:-40])
        assert again.answer(ASKED) == replies[0] and again.asked == 1, "a damaged one is asked for again"


def test_pieces_are_kept(tmp_path: Path) -> None:
    class Model:
        name = "m"

        def answer(self, request: Request) -> Reply:
            return Reply("7", True, 1, 1, (Piece("7", {"7": -0.5, "8": -1.25}),))

    assert (
        Kept(Model(), tmp_path).answer(RATED)
        == Kept(Model(), tmp_path).answer(RATED)
        == Model().answer(RATED)
    )


def test_an_account_ends_at_the_budget() -> None:
    class Model:
        name = "m"

        def answer(self, request: Request) -> Reply:
            return Reply("Hi.", True, 10, 3)

    account = Account(26)
    for _ in range(2):
        account.ask(Model(), ASKED)
    assert (account.prompt_tokens, account.completion_tokens) == (20, 6)
    with pytest.raises(BudgetSpent):
        account.ask(Model(), ASKED)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_llama(tmp_path_factory.mktemp("model"))


def logs(model: Path, text: str) -> dict[str, float]:
    """Log-probability of each single-character token after a text, from a plain pass."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        found = torch.log_softmax(AutoModelForCausalLM.from_pretrained(model)(ids).logits[0, -1], -1)
    return {digit: float(found[tokenizer.convert_tokens_to_ids(digit)]) for digit in "0123456789"}


def with_template(model: Path, folder: Path, template: str) -> Path:
    """A copy of a model with a chat template."""
    shutil.copytree(model, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def test_a_real_model_behind_an_endpoint_and_the_same_in_a_folder_say_the_same(
    model: Path, tmp_path: Path
) -> None:
    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    with serving(serve_model(model)) as server:
        served = Endpoint(server.url, "tiny").answer(RATED)
    assert "".join(piece.text for piece in served.pieces) == served.text and len(served.pieces) == 20
    assert not served.ended
    for piece in served.pieces:
        assert 1 < len(piece.alternatives) <= 20
        assert max(piece.alternatives, key=piece.alternatives.__getitem__) == piece.text
    local = Local(with_template(model, tmp_path / "chat", template), "cpu").answer(ASKED)
    assert (local.ended, local.completion_tokens) == (False, 20)
    plain = [re.sub(r"[^ -~]", "", reply.text) for reply in (local, served)]  # lone bytes join to characters
    assert plain[0] == plain[1] != ""


@pytest.mark.parametrize("worth", [0.0, 1.0], ids=["ten asked for", "ten left out"])
def test_a_local_model_is_asked_for_numbers_only(
    model: Path, worth: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("n2g.explain.local_model.WORTH", worth)
    reply = Local(model, "cpu").answer(RATED)
    assert [piece.text for piece in reply.pieces[::3]] == list(RATED.lines)
    written = "User: Hello?\n\nAssistant: "
    for line, level in zip(RATED.lines, reply.pieces[1::3], strict=True):
        expected = logs(model, f"{written}{line}")
        if worth == 0.0:  # "10" is "1" and then "0"
            share = exp(logs(model, f"{written}{line}1")["0"])
            expected |= {"10": expected["1"] + log(share), "1": expected["1"] + log(1 - share)}
        assert level.alternatives == pytest.approx(expected, abs=1e-4)
        assert level.text == max(expected, key=expected.__getitem__)
        written += f"{line}{level.text}\n"
    assert written.endswith(reply.text) and reply.ended


def test_a_local_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as a model"):
        Local(tmp_path, "cpu")


WRITES = "<{{ message.role }}>{{ message.content }}"
TEMPLATES = {
    "takes it": f"{{% for message in messages %}}{WRITES}{{% endfor %}}",
    "refuses the role": "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    f"{{% for message in messages %}}{WRITES}{{% endfor %}}",
    "wants turns": "{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    f"{{{{ raise_exception('roles must alternate') }}}}{{% endif %}}{WRITES}{{% endfor %}}",
    "drops it": f"{{% for message in messages if message.role != 'system' %}}{WRITES}{{% endfor %}}",
    "thinks unless told not to": f"{{% for message in messages %}}{WRITES}{{% endfor %}}"
    "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_the_system_says_gets_through_every_template(model: Path, tmp_path: Path, name: str) -> None:
    from transformers import AutoTokenizer

    local = Local(with_template(model, tmp_path / "chat", TEMPLATES[name]), "cpu")
    asked = replace(ASKED, messages=({"role": "system", "content": "Be brief."}, *ASKED.messages))
    said = AutoTokenizer.from_pretrained(model).decode(local.prompt(asked))
    apart = name in ("takes it", "thinks unless told not to")
    assert said == ("<system>Be brief.<user>Hello?" if apart else "<user>Be brief.\n\nHello?")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('Only tools are taken.') }}", "Only tools are taken"),
        ("{% for message in messages %}", "Unexpected end of template"),
        ("{{ messages[9].content }}", "no element 9"),
        ("Hello!", "it drops what the user says"),
    ],
)
def test_a_template_that_takes_no_conversation(model: Path, tmp_path: Path, template: str, said: str) -> None:
    folder = with_template(model, tmp_path / "chat", template)
    with pytest.raises(
        InputError, match=rf"^explain\.local: .* takes no conversation \(.*{said}.*\): choose"
    ):
        Local(folder, "cpu")


@pytest.mark.parametrize("save", [tiny.save_llama, tiny.save_gpt2])
def test_a_question_too_long_for_a_local_model_is_refused(
    save: Callable[[Path], Path], tmp_path: Path
) -> None:
    local = Local(save(tmp_path), "cpu")
    assert local.answer(ASKED).completion_tokens
    for asked in (replace(ASKED, limit=60), replace(ASKED, lines=("1\ta long line of many tokens\t",) * 2)):
        with pytest.raises(Refused, match=r"^a question takes \d\d of its 64 tokens$"):
            local.answer(asked)


def test_threads_share_a_local_model(model: Path) -> None:
    local = Local(model, "cpu")
    expected, found = local.answer(RATED), []
    threads = [threading.Thread(target=lambda: found.append(local.answer(RATED))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3
