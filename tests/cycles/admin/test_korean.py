"""The Korean catalogue: complete for our own strings, and compiled from what is written."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import translation
from django.utils.functional import Promise

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = ROOT / "kimp" / "locale" / "ko" / "LC_MESSAGES" / "django.po"
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop"}
SIMPLE = re.compile(r'{% translate "([^"]+)"')
BLOCK = re.compile(r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}", re.DOTALL)


def written() -> dict[str, str]:
    """Read the .po: this catalogue keeps one line per string and no plurals."""
    pairs = re.findall(r'^msgid (".*")\nmsgstr (".*")$', CATALOGUE.read_text("utf-8"), re.MULTILINE)
    return {ast.literal_eval(source): ast.literal_eval(target) for source, target in pairs}


def compiled() -> dict[str, str]:
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        catalogue: dict[str, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {source: target for source, target in catalogue.items() if source}


def marked_in_python() -> Iterator[str]:
    sources = [p for app in ("cycles", "exchanges") for p in (ROOT / app).rglob("*.py")]
    for path in sources:
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MARKS:
                argument = node.args[0]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def marked_in_templates() -> Iterator[str]:
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text("utf-8")
        yield from SIMPLE.findall(text)
        for block in BLOCK.findall(text):
            yield re.sub(r"{{ (\w+) }}", r"%(\1)s", block)


def test_the_compiled_catalogue_is_that_of_the_written_one() -> None:
    assert {s: t for s, t in written().items() if s} == compiled()


def test_every_marked_string_has_its_korean() -> None:
    known = written()
    wanted = {*marked_in_python(), *marked_in_templates()}
    assert len(wanted) > 400
    assert sorted(text for text in wanted if not known.get(text)) == []


def test_placeholders_survive_translation() -> None:
    holes = re.compile(r"%\(\w+\)[sdr]")
    for source, target in written().items():
        assert sorted(holes.findall(source)) == sorted(holes.findall(target)), source


@pytest.mark.parametrize("app", ["cycles", "exchanges"])
def test_names_of_models_and_their_fields_are_korean(app: str) -> None:
    with translation.override("ko"):
        for model in apps.get_app_config(app).get_models():
            names = [model._meta.verbose_name]
            names += [
                f.verbose_name for f in model._meta.fields if isinstance(f.verbose_name, Promise)
            ]
            for name in names:
                assert str(name) in {"API", "API 토큰", "PID"} or re.search("[가-힣]", str(name)), (
                    name
                )
