"""The house stands: imports go down only, the two ways to the same rows share nothing, files stay about one thing."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Container, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {
    "contract": set(),
    "connect": {"contract"},
    "stream_job": {"contract", "connect"},
    "batch_reference": {"contract", "connect"},
    "expectations": {"contract", "connect"},
    "reconcile": {"contract", "connect"},
    "replay": {"contract", "connect", "stream_job", "expectations", "reconcile"},
}
"""Each floor and those that it may import. The four in the middle are siblings: a team's own job can take the place of
either of the first two, and what checks them knows neither."""
MAY_IMPORT = {**FLOORS, "plumbline": set(FLOORS)}
OUTSIDE = ("tests", "tools", "benchmarks", "examples")
HEAVY = {
    "pyspark",
    "duckdb",
    "pyarrow",
    "pyiceberg",
    "pydantic",
    "pandas",
    "rich",
    "great_expectations",
    "confluent_kafka",
}
PAYS_FOR_PYDANTIC = {f"plumbline.contract.{name}" for name in ("model", "loader", "consistency", "output_column")}
SHAPELESS = ("util", "utils", "helper", "helpers", "common", "manager", "managers", "misc")
LONGEST_FILE = 350
LONGEST_FUNCTION = 40
MOST_ENTRIES = 16


@cache
def tracked() -> tuple[Path, ...]:
    """Files that git knows or would add; without git (a source archive) every file outside hidden folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        names = [Path(name) for name in listed.stdout.splitlines()]
    else:
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        names = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def sources(*packages: str) -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.parts[0] in (packages or MAY_IMPORT)]


def module(path: Path) -> str:
    """The name that a file is imported by: the floors lie at the top, and are packages of `plumbline`."""
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return f"plumbline.{name}" if path.parts[0] in FLOORS else name


def floor(name: str) -> str:
    """The floor of a module, `plumbline` for what is above them all; of other packages their own name."""
    parts = name.split(".")
    return parts[1] if parts[0] == "plumbline" and len(parts) > 1 and parts[1] in FLOORS else parts[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imported(path: Path, *, top_only: bool = False, leave_out: Container[int] = ()) -> set[str]:
    """Modules that a file imports, anywhere or only when it is loaded itself (not under TYPE_CHECKING).

    `leave_out`: ids of syntax nodes that do not count.
    """
    nodes = _at_load(tree(path).body) if top_only else ast.walk(tree(path))
    nodes = (node for node in nodes if id(node) not in leave_out)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module(path).split(".") if path.name == "__init__.py" else module(path).split(".")[:-1]
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, *filter(None, [base])])
            below = {f"{base}.{alias.name}" for alias in node.names if _is_module(f"{base}.{alias.name}")}
            found |= below if len(below) == len(node.names) else below | {base}
    return found


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@cache
def modules() -> dict[str, Path]:
    return {module(path): path for path in sources()}


def _at_load(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        for inner in ("body", "orelse", "handlers", "finalbody"):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _at_load([x for x in getattr(node, inner, []) if isinstance(x, ast.stmt)])


def first(name: str) -> str:
    return name.partition(".")[0]


def test_the_files_are_found() -> None:
    assert len(sources("contract")) > 5
    assert len(sources("plumbline")) > 5


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_down_only(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package, "plumbline"}
    wrong = [
        f"{path}: {name}"
        for path in sources(package)
        for name in sorted(imported(path))
        if floor(name) not in allowed and (first(name) == "plumbline" or name in OUTSIDE)
    ]
    assert wrong == []


def test_below_the_command_line_nothing_imports_it() -> None:
    wrong = [
        f"{path}: {name}"
        for path in sources(*FLOORS)
        for name in sorted(imported(path))
        if floor(name) == "plumbline" and name != "plumbline"
    ]
    assert wrong == []


def test_a_module_has_one_name() -> None:
    """The floors' folders are links below `plumbline`: imported by their bare names they would be loaded twice."""
    old = {*FLOORS, "batch_reference"}
    wrong = [
        f"{path}: {name}"
        for path in tracked()
        if path.suffix == ".py"
        for name in sorted(imported(path))
        if first(name) in old
    ]
    assert wrong == []


def test_every_floor_is_a_link_below_the_import_root() -> None:
    links = {path.name: path.readlink() for path in (ROOT / "plumbline").iterdir() if path.is_symlink()}
    assert links == {name: Path("..", name) for name in FLOORS}


def test_no_module_imports_itself_by_a_detour() -> None:
    """Not inside a function either: two modules that need each other are one, or lack a third."""
    assert circles({name: _needed(path) for name, path in modules().items()}) == []


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d", "a"}}) == [["b", "c"], ["d"]]


def _needed(path: Path) -> set[str]:
    """Modules of ours that a file imports, inside functions too, but not for its types only."""
    aside = {
        id(inner)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    return imported(path, leave_out=aside) & set(modules())


def circles(needs: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that each need every other one of the group (Tarjan's strongly connected components)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        path.append(name)
        for other in sorted(needs[name]):
            if other not in number:
                visit(other)
            if other in path:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == number[name]:
            group = path[path.index(name) :]
            del path[path.index(name) :]
            if len(group) > 1 or name in needs[name]:
                found.append(sorted(group))

    for name in needs:
        if name not in number:
            visit(name)
    return found


def test_reconcile_shows_its_rooms_at_a_glance() -> None:
    assert len({path.parts[1] for path in tracked() if path.parts[0] == "reconcile"}) <= MOST_ENTRIES


def test_duckdb_reads_parquet_in_one_place() -> None:
    """Elsewhere a scan could lose the rows with NaN."""
    wrong = [
        str(path)
        for package in MAY_IMPORT
        for path in sources(package)
        if path != Path("connect/parquet.py") and "read_parquet([" in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert wrong == []


def test_commands_import_nothing_heavy_when_loaded() -> None:
    wrong = [
        f"{path}: {name}"
        for path in sources("plumbline")
        if "demo" not in path.parts[:-1]
        for name in sorted(imported(path, top_only=True))
        if first(name) in HEAVY or name in PAYS_FOR_PYDANTIC
    ]
    assert wrong == []


def test_contract_is_pure() -> None:
    known = {"yaml", "pydantic", "plumbline", "__future__"}
    outside = {
        "subprocess",
        "socket",
        "urllib",
        "http",
        "shutil",
        "tempfile",
        "sqlite3",
        "multiprocessing",
        "threading",
    }
    names = {first(name) for path in sources("contract") for name in imported(path)}
    assert not names & (outside | HEAVY - {"pydantic"})
    assert known <= names


def test_contract_runs_no_code_of_a_team() -> None:
    """It finds a team's module and hashes its source; `connect` runs it."""
    runs = {"import_module", "module_from_spec", "exec_module", "load_module", "__import__", "exec", "eval", "compile"}
    wrong = [
        f"{path}:{node.lineno}"
        for path in sources("contract")
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Name) and node.id in runs)
        or (isinstance(node, ast.Attribute) and node.attr in runs and ast.unparse(node) != "re.compile")
        or (isinstance(node, ast.Import | ast.ImportFrom) and {alias.name for alias in node.names} & {*runs, "runpy"})
    ]
    assert wrong == []
    assert not {first(name) for path in sources("contract") for name in imported(path)} & {"sys", "runpy"}


@pytest.mark.parametrize("path", [path for path in tracked() if path.suffix == ".py"], ids=str)
def test_a_file_is_about_one_thing(path: Path) -> None:
    assert path.stem not in SHAPELESS
    text = (ROOT / path).read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    if path.parts[0] == "tests":
        return
    functions = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: lines for node in functions if (lines := _lines(node)) > LONGEST_FUNCTION}
    assert long == {}


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    start, end = function.lineno, function.end_lineno or function.lineno
    doc = function.body[0] if ast.get_docstring(function) else None
    return end - start + 1 - ((doc.end_lineno or 0) - doc.lineno + 1 if doc else 0)


REGISTRIES = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("repo1", "maven"),
            ("repo", "maven", "apache"),
            ("maven", "org"),
            ("mvnrepository", "com"),
            ("registry", "npmjs"),
            ("repository", "apache", "org"),
            ("packages", "confluent", "io"),
            ("oss", "sonatype"),
            ("files", "pythonhosted"),
            ("conda", "anaconda"),
        )
    )
    + "|--(extra-)?index-url|--find-links|--trusted-host"
)
ONE_MACHINE = re.compile(r"(?<![\w.\"'<{}])/(home|root|work|opt|mnt)/[a-z]")


@pytest.mark.parametrize("path", tracked(), ids=str)
def test_no_file_names_a_registry_or_one_machine(path: Path) -> None:
    try:
        text = (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    if path == Path("tests/test_architecture.py"):
        text = text.replace("--(extra-)?index-url|--find-links|--trusted-host", "")
    assert REGISTRIES.search(text) is None
    assert ONE_MACHINE.search(text) is None


def test_test_files_have_names_of_their_own() -> None:
    """pytest imports them by their bare names: of two alike one is never collected."""
    names = [path.name for path in tracked() if path.parts[0] == "tests" and path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_long_files_are_there() -> None:
    """A renamed file would come back into `make test-quick` without a word."""
    listed = (ROOT / "tests" / "long_files.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert len(listed) > 50
    assert [line for line in listed if not (ROOT / line.split()[0]).is_file()] == []
