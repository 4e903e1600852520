"""OpenAI-compatible servers on this machine: one that answers by a script, and one with a real model behind it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# What a server does with the body of a request: status, then the JSON or the bytes to send; None hangs up.
Answer = tuple[int, Any] | None


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[ThreadingHTTPServer]:
    """The server, which answers for as long as the block runs."""
    with server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class JsonHandler(BaseHTTPRequestHandler):
    """Answers in JSON, and writes no log."""

    def received(self) -> Any:
        """The body of the request."""
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class Server:
    """A server. `bodies` and `headers` are those of all requests so far."""

    def __init__(self, answer: Callable[[dict], Answer]):
        self.bodies: list[dict] = []
        self.headers: list[dict] = []
        server = self

        class Handler(JsonHandler):
            def do_POST(self) -> None:
                body = self.received()
                server.bodies.append(body)
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                found = answer(body)
                if found is None:
                    self.close_connection = True
                    return
                status, content = found
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                with suppress(OSError):  # the client has given up
                    self.send(status, data)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


@contextmanager
def serving(answer: Callable[[dict], Answer]) -> Iterator[Server]:
    """A server for as long as the block runs."""
    server = Server(answer)
    with running(server.http):
        yield server


def completion(text: str, finish: str = "stop", logprobs: Any = None) -> Answer:
    """A chat completion; 10 tokens asked, 3 answered."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    return 200, {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{**choice, "logprobs": logprobs}],
        "usage": usage,
    }


def reader(body: dict) -> str:
    """A reader of labels: level 10 for each token that stands in quotation marks in the label, 0 for others.

    Asked for a label, it names the marked tokens; asked for tests, it writes a sentence with each quoted word, and one
    without.
    """
    system, asked = body["messages"][0]["content"], body["messages"][-1]["content"]
    quoted = re.findall(r'"([^"]*)"', asked.partition("\n")[0])
    if "predict the activation" in system:
        lines = [line for line in asked.splitlines() if re.match(r"\d+\t", line)]
        return "\n".join(f"{line}\t{10 * (line.partition(chr(9))[2] in quoted)}" for line in lines)
    if "test explanations" in system:
        return "\n".join([*(f"1. {word}" for word in quoted), "2. nothing"])
    shown = " ".join(message["content"] for message in body["messages"][3:])  # after the worked example
    words = " and ".join(f'"{word}"' for word in sorted(set(re.findall(r"\[\[([^]]*)\]\]\(10\)", shown))))
    return f"the token {words}"


def serve_model(folder: Path) -> Callable[[dict], Answer]:
    """What answers with a real model in Hugging Face's form, greedily, with log-probabilities where asked for."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def answer(body: dict) -> Answer:
        text = "\n".join(one["content"] for one in body["messages"])
        prompt = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        options = {"do_sample": False, "max_new_tokens": body["max_tokens"], "pad_token_id": 1}
        with torch.inference_mode():
            found = model.generate(prompt, return_dict_in_generate=True, output_scores=True, **options)
        written = found.sequences[0, prompt.shape[1] :].tolist()
        content = []
        for token, scores in zip(written, found.scores, strict=True):
            logs, ids = torch.log_softmax(scores[0].float(), -1).topk(body.get("top_logprobs", 1))
            top = [
                {"token": tokenizer.decode([i]), "logprob": p, "bytes": None}
                for p, i in zip(logs.tolist(), ids.tolist(), strict=True)
            ]
            content.append(
                {"token": tokenizer.decode([token]), "logprob": 0.0, "bytes": None, "top_logprobs": top}
            )
        finish = "length" if len(written) == body["max_tokens"] else "stop"
        return completion(
            "".join(one["token"] for one in content),
            finish,
            {"content": content} if body.get("logprobs") else None,
        )

    return answer
