"""Every command that a document shows is run by a test, or says why it is not."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs.blocks import DOCUMENTS, ROOT, Block, blocks

BLOCKS = blocks()
EXECUTED = re.compile(r"executed by (tests/\S+\.py)(?:, .+)?")
NOT_HERE = re.compile(r"not executed here: .{20,}")
MAKEFILE = (ROOT / "Makefile").read_text()


def _name(block: Block) -> str:
    return f"{block.document}:{block.heading}"


def test_none_is_overlooked() -> None:
    """A block that the search does not see would be no block."""
    fences = sum(path.read_text().count("```sh\n") for path in DOCUMENTS)
    assert len(BLOCKS) == fences > 5


@pytest.mark.parametrize("block", BLOCKS, ids=_name)
def test_each_says_who_runs_it(block: Block) -> None:
    """By a test that there is, or a reason why not."""
    executed = EXECUTED.fullmatch(block.mark)
    assert executed or NOT_HERE.fullmatch(block.mark), block.mark or "the block has no comment before it"
    if executed:
        assert (ROOT / executed[1]).is_file()


@pytest.mark.parametrize("block", BLOCKS, ids=_name)
def test_each_is_shell(block: Block) -> None:
    """As sh reads it."""
    done = subprocess.run(["sh", "-n"], input=block.text, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", BLOCKS, ids=_name)
def test_targets_exist(block: Block) -> None:
    """What make is asked for."""
    for target in re.findall(r"^make ([a-z-]+)", block.text, re.MULTILINE):
        assert re.search(rf"^\.PHONY:.*\b{target}\b", MAKEFILE, re.MULTILINE), target
