"""The nightly of flights as an Airflow 3 DAG. Put it into the DAGs folder; the worker needs plumbline and Java.

Catching up is left to the command, which knows what the stream has settled: so one run a day, never two at once. An
attempt after drift ends as the first one did; one after a lost broker or catalog goes on where that one stopped.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="plumbline_nightly_flights",
    schedule="30 4 * * *",
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["plumbline"],
) as dag:
    BashOperator(
        task_id="nightly",
        bash_command="plumbline nightly flights.yaml --alerts-only",
        cwd="/srv/plumbline",
        env={
            "PLUMBLINE_HOME": "/srv/plumbline/home",
            "PLUMBLINE_WEBHOOK": "{{ conn.plumbline_webhook.password }}",
        },
        append_env=True,
        retries=3,
        retry_delay=timedelta(minutes=15),
        execution_timeout=timedelta(hours=6),
    )
