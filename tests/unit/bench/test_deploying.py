"""What the measurements of deploying come to."""

from __future__ import annotations

from pathlib import Path

from bench.contenders.ansible import Ansible
from bench.contenders.program import Program
from bench.contenders.pyinfra import Pyinfra
from bench.contenders.setup import Contender
from bench.contenders.shell import Shell
from bench.deploying import Samples, part, turns
from bench.report import markdown


def _found() -> dict[str, Samples]:
    return {
        Program.name: Samples([9, 10, 30], [2, 2, 3], [4]),
        Shell.name: Samples([8, 8, 8], [1, 1, 1], [1]),
        Ansible.name: Samples([40, 35, 45], [12, 12, 11], [13]),
        Pyinfra.name: Samples([20, 20, 20], [1, 1, 1], [2]),
    }


def test_ratios_are_of_medians() -> None:
    """Each by its name, with what is promised."""
    ratios = {ratio.name: ratio for ratio in part(_found(), [(2, 1), (3, 1), (4, 1)]).ratios}
    assert {name: ratio.value for name, ratio in ratios.items()} == {
        "up_vs_shell": 1.25,
        "ansible_vs_up": 4,
        "ansible_vs_noop": 6,
        "pyinfra_vs_noop": 0.5,
        "noop_vs_empty": 3,
    }
    assert [name for name, ratio in ratios.items() if not ratio.kept] == ["pyinfra_vs_noop"]


def test_tables_have_all_contenders_and_cases() -> None:
    """And say how often each was measured."""
    deploying, empty = part(_found(), [(2, 1)]).tables
    text = markdown(deploying)
    assert "| pulumi up | 10 (9 to 30) | 2 (2 to 3) | 4 |" in text
    assert "of 3 first runs" in text
    assert "| a program without a line | 1 |" in markdown(empty)


def test_another_contender_begins_each_round(tmp_path: Path) -> None:
    """So that none always runs beside what another left behind."""
    contenders: list[Contender] = [Shell(), Ansible(tmp_path), Pyinfra(tmp_path)]
    firsts = [turns(contenders, number)[0].name for number in range(4)]
    assert firsts == ["shell script", "Ansible", "pyinfra", "shell script"]
    assert sorted(each.name for each in turns(contenders, 2)) == sorted(each.name for each in contenders)
