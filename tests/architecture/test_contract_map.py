"""Every section of the contract is held by tests that exist, and every citation names a section."""

import ast
import re
from pathlib import Path

from tests.architecture.contract_map import HELD_BY, NOT_BUILT_YET, PARTLY_BUILT

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = ROOT / "tests"
CITATION = re.compile(r"CONTRACT ((?:\d+(?:\.\d+)?)(?:(?:, |-| and )\d+(?:\.\d+)?)*)")


def sections() -> set[str]:
    """Return the contract's sections: `2.3`, and `8` for one without numbered parts."""
    found, current = set(), ""
    for line in (ROOT / "docs" / "contract.md").read_text().splitlines():
        if heading := re.match(r"## (\d+)\.", line):
            current = heading[1]
            found.add(current)
        elif part := re.match(r"(\d+)\. ", line):
            found.discard(current)
            found.add(f"{current}.{part[1]}")
    return found


def names_in(module: Path) -> set[str]:
    """Return the names of a module's tests."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                names.add(name)
            case _:
                pass
    return {name for name in names if name.lower().startswith("test")}


def test_every_section_is_held_by_tests_or_said_not_to_be_built_yet():
    assert set(HELD_BY) | set(NOT_BUILT_YET) == sections()
    assert not set(HELD_BY) & set(NOT_BUILT_YET)
    assert set(PARTLY_BUILT) <= set(HELD_BY)


def test_every_test_that_the_map_names_exists():
    for section, names in HELD_BY.items():
        for name in names:
            module, _, test = name.partition("::")
            assert (TESTS / module).is_file(), f"{section}: {module}"
            found = names_in(TESTS / module)
            assert found, f"{section}: {module} holds no test"
            assert not test or test in found, f"{section}: {name}"


def test_every_citation_in_code_and_tests_names_a_section():
    known = sections() | {section.split(".")[0] for section in sections()}
    for folder in ("symphony", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for cited in CITATION.findall(path.read_text()):
                for section in re.split(r", |-| and ", cited):
                    assert section in known, f"{path.relative_to(ROOT)} cites CONTRACT {section}"
