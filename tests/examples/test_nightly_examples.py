"""The schedulers' files in examples/nightly: each is well formed and calls a command that exists."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path
from typing import Any

import yaml

from tests.support.command_lines import parse

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "nightly"


def calls_nightly(line: str) -> None:
    context = parse(line)
    assert context.command_path == "plumbline nightly"
    assert context.params["alerts_only"]


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(FOLDER / name)
    return read


def test_cron() -> None:
    [line] = [line for line in (FOLDER / "crontab").read_text().splitlines() if re.match(r"[\d*]", line)]
    *times, command = line.split(maxsplit=5)
    assert times == ["30", "4", "*", "*", "*"]
    calls_nightly(command[command.index(".venv/bin/plumbline") : command.index(" >")])
    assert "%" not in command, "cron reads a % as the end of the line"


def test_systemd() -> None:
    service, timer = unit("plumbline-nightly.service"), unit("plumbline-nightly.timer")
    calls_nightly(service["Service"]["ExecStart"])
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["RestartPreventExitStatus"].split() == ["1", "2"]
    assert timer["Timer"]["Persistent"] == "true"


def test_airflow() -> None:
    """Parsed without Airflow: what it imports, and the operator's call."""
    tree = ast.parse((FOLDER / "airflow_dag.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {"airflow.sdk", "airflow.providers.standard.operators.bash"} <= imported
    calls = {node.func.id: node for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
    operator, dag = keywords(calls["BashOperator"]), keywords(calls["DAG"])
    calls_nightly(operator["bash_command"])
    assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)


def keywords(call: ast.Call) -> dict[str, Any]:
    """The keyword arguments that are literals."""
    constants = [k for k in call.keywords if isinstance(k.value, ast.Constant) and k.arg]
    return {str(k.arg): k.value.value for k in constants}  # type: ignore[attr-defined]


def test_kubernetes() -> None:
    job = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())
    assert (job["apiVersion"], job["kind"], job["spec"]["concurrencyPolicy"]) == ("batch/v1", "CronJob", "Forbid")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    calls_nightly(" ".join(container["args"]))
    mounted, volumes = ({part["name"] for part in found} for found in (container["volumeMounts"], pod["volumes"]))
    assert mounted == volumes
    assert pod["restartPolicy"] == "Never"
    [rule] = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"] == {"containerName": container["name"], "operator": "In", "values": [1, 2]}
