"""Runs a Pulumi program: the process that the language host starts for it.

Reads its order (JSON) from the standard input, then behaves like the official executor: the program directory
is the working directory and comes first on the import path; a RunError shows only its message, any other
exception its traceback.
"""

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime

ERROR_SHOWN = 32


def main() -> None:
    """Run the program that the order on the standard input names, and end this process with its status."""
    text = sys.stdin.buffer.read()
    if not text:
        return  # the host ended without a program to run
    order = json.loads(text)
    _detach_stdin()
    pulumi.runtime.set_all_config(order["config"], order["secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=order["project"],
            root_directory=order["root_directory"] or None,
            stack=order["stack"],
            parallel=order["parallel"],
            dry_run=order["dry_run"],
            monitor=order["monitor"],
            engine=order["engine"],
            organization=order["organization"],
        )
    )
    os.chdir(order["pwd"] or order["directory"])
    program = Path(order["directory"]) / order["program"]
    sys.argv = [str(program), *order["args"]]
    sys.path.insert(0, str(program if program.is_dir() else program.parent))
    sys.exit(execute(program, order["parallel"]))


def execute(program: Path, parallel: int) -> int:
    """Run the program file or directory and return the exit status."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(parallel, 1) * 4)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception:
        pulumi.log.error("Program failed with an unhandled exception:\n" + _user_traceback(program))
        return ERROR_SHOWN
    finally:
        executor.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _run(program: Path) -> None:
    if program.is_dir() and not (program / "__main__.py").is_file():
        raise pulumi.RunError(f"unable to find main python program `__main__.py` in `{program}`")
    runpy.run_path(str(program), run_name="__main__")


def _user_traceback(program: Path) -> str:
    """The traceback from the program's own first line on."""
    error: Any = sys.exc_info()[1]
    main_file = str(program / "__main__.py" if program.is_dir() else program)
    frames = traceback.extract_tb(error.__traceback__)
    for index, frame in enumerate(frames):
        if str(Path(frame.filename).absolute()) == str(Path(main_file).absolute()):
            return traceback.format_exc(limit=-(len(frames) - index))
    return traceback.format_exc()


def _detach_stdin() -> None:
    """The program reads nothing: it must not see the rest of the host's pipe."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


if __name__ == "__main__":
    main()
