"""The annotated example is a stack that works, names every setting, and tells the true defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from config import Settings
from config.faults import fields_of, inner_model
from tests.unit.config.stack import PASSWORD, faults_in, load_stack

EXAMPLE = Path(__file__).parents[3] / "Pulumi.example.yaml"
PREFIX = "docker-registry:"


def example(*, uncommented: bool = False) -> dict[str, Any]:
    """The example's concerns; with `uncommented`, with all that is commented out."""
    text = EXAMPLE.read_text(encoding="utf-8")
    if uncommented:
        # A setting follows its #, indented as it will be; an explanation follows one space, or a # of its own.
        text = re.sub(r"^( *)#((?:  )*)(?=[a-z]|- )", r"\1\2", text, flags=re.MULTILINE)
    stack: dict[str, Any] = yaml.safe_load(text)["config"]
    return {key.removeprefix(PREFIX): value for key, value in stack.items()}


def with_password(stack: dict[str, Any]) -> dict[str, Any]:
    return {**stack, "users": [user | {"password": PASSWORD} for user in stack["users"]]}


def without_tuples(value: object) -> object:
    """A default as YAML writes it."""
    return list(value) if isinstance(value, tuple) else value


def test_only_the_password_is_missing() -> None:
    assert faults_in(example()) == [
        "docker-registry:users[0]: found neither of the two; expected a password or a hash; set one with "
        "pulumi config set --secret --path 'docker-registry:users[0].password'"
    ]


def test_the_example_is_accepted_with_a_password() -> None:
    settings, _ = load_stack(with_password(example()))
    assert settings.certificate.mode == "acme"
    assert not settings.host.is_local


def test_every_setting_is_named_with_its_true_default() -> None:
    stack = example(uncommented=True)
    wrong: list[str] = []

    def compare(where: str, model: Any, written: dict[str, Any]) -> None:  # noqa: ANN401
        for name, field in fields_of(model).items():
            if name not in written:
                wrong.append(f"{where}.{name} is missing")
            elif model := inner_model(field.annotation):
                compare(
                    f"{where}.{name}", model, written[name][0] if isinstance(written[name], list) else written[name]
                )
            elif not field.is_required() and written[name] != without_tuples(field.default):
                wrong.append(f"{where}.{name} is {written[name]!r}, not {field.default!r}")

    for concern, field in Settings.model_fields.items():
        if concern == "users":
            continue
        written = stack[concern]
        compare(concern, inner_model(field.annotation), written[0] if isinstance(written, list) else written)
    # What the example sets on purpose.
    assert [line.split(" is ")[0] for line in wrong] == [
        "host.hostKey",
        "certificate.mode",
        # Examples, where absent is the default.
        "certificate.chainPath",
        "certificate.privateKeyPath",
        "certificate.acme.email",
        "certificate.acme.profile",
        "retention.policies.repositories",
        "retention.policies.keepLast",
        "retention.policies.keepDays",
        "retention.policies.drop",
    ]
    assert stack["users"][0].keys() == {
        *("name", "password", "hash", "scheme", "role", "repositories", "pullOnly", "expires"),
    }


def test_editors_find_the_schema() -> None:
    first = EXAMPLE.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=config/schema.json"
    assert (EXAMPLE.parent / "config" / "schema.json").is_file()


def test_a_comment_s_indentation_is_behind_its_mark() -> None:
    """Pulumi writes the file anew, and a comment no further in than the settings beside it: a # there would move."""
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line]
    depths = [(line.lstrip().startswith("#"), len(line) - len(line.lstrip(" -"))) for line in lines]
    for number, (is_comment, depth) in enumerate(depths):
        above = [other for comment, other in depths[:number] if not comment][-1:]
        below = [other for comment, other in depths[number:] if not comment][:1]
        assert not is_comment or depth <= max(0, *above, *below), lines[number]
