"""Which command is meant, and what is said of a command line that nobody understands."""

import pytest

from symphony.cli.commands import names
from symphony.cli.errors import CommandError, lines_of, status_of
from symphony.cli.main import broken, with_command
from symphony.cli.place import Place
from symphony.cli.run import broken as broken_run
from symphony.cli.run import expected_in
from symphony.core.errors import SymphonyError


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ["run"]),
        (["--port", "0"], ["run", "--port", "0"]),
        (["my.md"], ["run", "my.md"]),
        (["sub/flow"], ["run", "sub/flow"]),
        (["FLOW.MD", "--verbose"], ["run", "FLOW.MD", "--verbose"]),
        (["run", "x"], ["run", "x"]),
        (["status"], ["status"]),
        (["--version"], ["--version"]),
        (["-h"], ["-h"]),
    ],
)
def test_run_is_the_command_where_none_is_named(given, meant):
    assert with_command(given) == meant


def test_an_existing_file_of_any_name_is_a_workflow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow").touch()
    (tmp_path / "status").touch()
    assert with_command(["flow"]) == ["run", "flow"]
    assert with_command(["status"]) == ["status"], "a command's name is the command"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("statsu", "symphony: there is no command 'statsu'. Did you mean 'status'?"),
        ("rty", "symphony: there is no command 'rty'. Did you mean 'retry'?"),
        ("xyzzy", "symphony: there is no command 'xyzzy'. `symphony --help` lists the commands."),
        ("\x1b[2J", "symphony: there is no command '[2J'. `symphony --help` lists the commands."),
    ],
)
def test_an_unknown_command_is_wrong_usage_and_names_the_nearest(word, message):
    with pytest.raises(CommandError) as refused:
        with_command([word])
    assert lines_of(refused.value) == [message]
    assert status_of(refused.value) == 2


def test_every_command_of_the_contract_is_there():
    contract = (
        "run init new status inbox show logs reply retry cancel pause resume move demo approve discard access"
        " image doctor explain permission budget gc backup restore apply review reject train"
    )
    assert set(names()) == set(contract.split())


def test_an_error_never_takes_more_than_one_line():
    error = SymphonyError("two\nlines \x1b[31m", remedy="Do\nthis.")
    assert lines_of(error) == ["symphony: two lines [31m Do this."]
    assert status_of(error) == 1


def test_a_defect_is_one_line_and_its_stack_is_for_those_who_ask(capsys, monkeypatch):
    error = ValueError("what\nnobody expected")
    assert broken(error) == 1
    assert capsys.readouterr().err == (
        "symphony: something broke inside symphony: ValueError: what nobody expected. "
        "With SYMPHONY_TRACEBACK=1 it shows where.\n"
    )
    monkeypatch.setenv("SYMPHONY_TRACEBACK", "1")
    broken(error)
    assert capsys.readouterr().err.startswith("ValueError: what\nnobody expected\nsymphony: ")


def test_a_defect_in_a_run_names_the_log_and_a_wrapped_refusal_is_found(tmp_path):
    place = Place(tmp_path / "WORKFLOW.md")
    refusal = SymphonyError("No.")
    assert expected_in(ExceptionGroup("tasks", [ExceptionGroup("inner", [refusal])])) is refusal
    assert expected_in(ExceptionGroup("tasks", [refusal, ValueError()])) is None
    said = broken_run(KeyError("x"), place, verbose=False)
    assert lines_of(said) == [
        "symphony: something broke inside symphony: KeyError: 'x'. "
        f"The log is {tmp_path}/.symphony/logs/symphony.log; `--verbose` shows where it broke."
    ]
