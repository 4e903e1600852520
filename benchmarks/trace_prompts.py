"""Prompts with a right and a wrong next token, made by templates: agreement, pronouns, and simple facts.

Every template comes with both answers, the one as often right as the other, so that a model that prefers one of them
whatever the prompt gains nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

NOUNS = {
    "author": "authors",
    "boy": "boys",
    "car": "cars",
    "doctor": "doctors",
    "farmer": "farmers",
    "girl": "girls",
    "house": "houses",
    "king": "kings",
    "lawyer": "lawyers",
    "river": "rivers",
    "ship": "ships",
    "student": "students",
    "teacher": "teachers",
    "tree": "trees",
}
PEOPLE = ("author", "boy", "doctor", "farmer", "girl", "king", "lawyer", "student", "teacher")
VERBS = ((" is", " are"), (" was", " were"), (" has", " have"))
NEAR = ("near", "behind", "beside", "in front of")
CLAUSES = (("likes", "like"), ("knows", "know"), ("sees", "see"), ("remembers", "remember"))
HE = ("John", "Peter", "The king", "The boy", "My father", "My brother", "The man", "His uncle")
SHE = ("Mary", "Anna", "The queen", "The girl", "My mother", "My sister", "The woman", "Her aunt")
SAID = ("said that", "went home because", "was happy when", "was tired after", "smiled because")
LOST = ("forgot", "lost", "found", "opened", "sold")
CAPITALS = {
    "Austria": " Vienna",
    "China": " Beijing",
    "Cuba": " Havana",
    "Egypt": " Cairo",
    "France": " Paris",
    "Germany": " Berlin",
    "Greece": " Athens",
    "Hungary": " Budapest",
    "Iran": " Tehran",
    "Ireland": " Dublin",
    "Italy": " Rome",
    "Japan": " Tokyo",
    "Poland": " Warsaw",
    "Russia": " Moscow",
    "Spain": " Madrid",
    "Sweden": " Stockholm",
}
FACTS = ("The capital of {} is", "The capital city of {} is", "{}'s capital is")


class Prompt(NamedTuple):
    """A text, the token that is right after it, and one that is wrong; `kind` is the name of the template."""

    kind: str
    text: str
    target: str
    against: str


def simple(draw: random.Random, plural: bool) -> Prompt:
    """A subject, then a verb of its number."""
    answers = draw.choice(VERBS)
    return Prompt("agreement", f"The {_noun(draw, plural)}", answers[plural], answers[not plural])


def attractor(draw: random.Random, plural: bool) -> Prompt:
    """The same, with a noun of the other number between them."""
    answers = draw.choice(VERBS)
    text = f"The {_noun(draw, plural)} {draw.choice(NEAR)} the {_noun(draw, not plural)}"
    return Prompt("attractor", text, answers[plural], answers[not plural])


def clause(draw: random.Random, plural: bool) -> Prompt:
    """The same, with a relative clause whose subject is of the other number."""
    answers = draw.choice(VERBS)
    inner = f"the {_noun(draw, not plural, PEOPLE)} {draw.choice(CLAUSES)[not plural]}"
    return Prompt("clause", f"The {_noun(draw, plural)} that {inner}", answers[plural], answers[not plural])


def gender(draw: random.Random, female: bool) -> Prompt:
    """A person, then a pronoun of the same gender."""
    text = f"{draw.choice(SHE if female else HE)} {draw.choice(SAID)}"
    return Prompt("gender", text, (" he", " she")[female], (" he", " she")[not female])


def number(draw: random.Random, plural: bool) -> Prompt:
    """One or several people, then a possessive of the same number."""
    answers = (" his", " their")
    text = f"The {_noun(draw, plural, ('boy', 'king', 'farmer', 'author', 'lawyer'))} {draw.choice(LOST)}"
    return Prompt("number", text, answers[plural], answers[not plural])


def capital(draw: random.Random, _: bool) -> Prompt:
    """A country, then its capital; the wrong one is that of another country of the list."""
    country, other = draw.sample(sorted(CAPITALS), 2)
    return Prompt("capital", draw.choice(FACTS).format(country), CAPITALS[country], CAPITALS[other])


TEMPLATES = (simple, attractor, clause, gender, number, capital)


def prompts(count: int, seed: int) -> list[Prompt]:
    """So many different prompts, the templates in turn, always the same for a seed."""
    draw = random.Random(seed)
    found: dict[Prompt, None] = {}
    for at in _forever():
        if len(found) == count:
            return list(found)
        found.setdefault(TEMPLATES[at % len(TEMPLATES)](draw, at // len(TEMPLATES) % 2 == 1))
    raise AssertionError("there is no end")


def _forever() -> Iterator[int]:
    at = 0
    while True:
        yield at
        at += 1


def _noun(draw: random.Random, plural: bool, among: tuple[str, ...] = tuple(NOUNS)) -> str:
    one = draw.choice(among)
    return NOUNS[one] if plural else one
