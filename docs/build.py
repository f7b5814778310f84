"""Execute the walkthrough and render it as one self-contained page: no script, no network, no other file.

Run it with ``make docs``. The pictures and numbers on the page are those of the machine that built it.
"""

import logging
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import jupytext
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode

NOTEBOOK = Path(__file__).parent / "walkthrough.md"
PAGE = Path(__file__).parent / "build" / "walkthrough.html"

_SHELL = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$report_style$style</style>
</head>
<body>
$body
</body>
</html>
""")

# Follows the style of a run's report, and uses its colors.
_STYLE = """
  :root { --word: #2457c5; --text: #1f7a4d; --number: #b3540a }
  body { max-width: 860px; padding-top: 56px; font-size: 16.5px; line-height: 1.62 }
  h1 { font-size: 34px; margin-bottom: 20px }
  h2 { font-size: 23px; margin: 64px 0 14px; letter-spacing: -0.01em }
  h3 { font-size: 17.5px; margin: 38px 0 10px }
  p, ul { max-width: 68ch; margin: 0 0 14px }
  ul { padding-left: 20px }
  li { margin-bottom: 7px }
  pre, code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
  code { font-size: 0.88em }
  :not(pre) > code { background: var(--card); border: 1px solid var(--rule); border-radius: 4px; padding: 1px 4px }
  pre { margin: 0 0 16px; line-height: 1.5 }
  pre code { font-size: inherit }
  .code_cell { margin: 4px 0 24px }
  .code_cell .highlight pre { border-left: 3px solid var(--first); border-radius: 4px 10px 10px 4px }
  .code_cell .highlight { margin-bottom: 10px }
  .output_area { margin: 0 0 8px }
  .output_area pre { background: none; border: 0; border-radius: 0; margin: 0; padding: 2px 0 2px 19px }
  .output_area pre { font-size: 12.5px }
  .output_png { padding: 8px 0 0 19px }
  .output_png img { max-width: 100%; height: auto; display: block; border-radius: 6px }
  .output_stderr pre { color: var(--second) }
  .highlight .c1 { color: var(--quiet); font-style: italic }
  .highlight .k, .highlight .kn, .highlight .ow, .highlight .nt, .highlight .gp { color: var(--word) }
  .highlight .nf, .highlight .nc, .highlight .nd { font-weight: 600 }
  .highlight .s1, .highlight .s2, .highlight .sa, .highlight .si, .highlight .se { color: var(--text) }
  .highlight .mi, .highlight .mf, .highlight .kc { color: var(--number) }
"""


class CellFailed(RuntimeError):
    """A cell of the notebook raised, or ended the process."""

    def __init__(self, cell: NotebookNode, problem: str):
        first_line = cell.source.partition("\n")[0]
        message = f"the cell {first_line!r} failed: {problem}. Correct it and build again."
        super().__init__(" ".join(message.split()))


class ThisInterpreter(KernelSpecManager):
    """Kernel specifications with one entry: the interpreter that runs this file."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the specification of this interpreter's kernel; the name is ignored."""
        return KernelSpec(resource_dir="", **get_kernel_dict())


def read_notebook(path: Path) -> NotebookNode:
    """Read a text notebook as cells that have not run."""
    notebook: NotebookNode = jupytext.read(path)
    return notebook


def execute(notebook: NotebookNode) -> None:
    """Run every cell in order in a fresh process and store its outputs in the notebook.

    Raises:
        CellFailed: A cell raised, or the process ended.
    """
    begun: list[NotebookNode] = []
    with tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
        # Socket files in a private folder: ports would be open to every user of the machine.
        manager = AsyncKernelManager(kernel_spec_manager=ThisInterpreter(), transport="ipc", ip=f"{folder}/kernel")
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=None,
            coalesce_streams=True,
            on_cell_execute=lambda cell, cell_index: begun.append(cell),
            log=logging.Logger("walkthrough", logging.CRITICAL),
        )
        try:
            client.execute(cleanup_kc=True)
        except CellExecutionError as error:
            raise CellFailed(begun[-1], f"{error.ename}: {error.evalue}") from None
        except DeadKernelError:
            raise CellFailed(begun[-1], "the process ended") from None


def render(notebook: NotebookNode) -> str:
    """Render an executed notebook as a self-contained page."""
    exporter: Any = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_notebook_node(notebook)
    return _SHELL.substitute(title=_title(notebook), report_style=_report_style(), style=_STYLE, body=body)


def _title(notebook: NotebookNode) -> str:
    headings = (re.match(r"# (.+)", cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    return next((heading[1] for heading in headings if heading), "unrolled")


def _report_style() -> str:
    return (files("unrolled") / "reports" / "templates" / "style.css").read_text(encoding="utf-8")


def main() -> None:
    """Build the page and print its path; if a cell fails, print one line and leave the page as it was."""
    notebook = read_notebook(NOTEBOOK)
    try:
        execute(notebook)
    except CellFailed as failed:
        sys.exit(f"{NOTEBOOK.name}: {failed}")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(notebook), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
