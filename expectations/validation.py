"""Rules as a Great Expectations suite, and facts as its validation result.

Great Expectations' own engines copy the rows to pandas, or start Spark. A GX expectation says which metrics it needs
(`get_validation_dependencies`) and judges them (`metrics_validate`); its Validator does the same two calls with an
engine between. Here DuckDB's facts are the metrics, so the cost does not grow with GX.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plumbline.expectations.facts import SAMPLE, Fact
from plumbline.expectations.rules import TYPE, Rule

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": SAMPLE}


def suite(name: str, rules: Sequence[Rule], meta: Mapping[str, Any]) -> ExpectationSuite:
    """The rules, in order, as a suite over the table's real columns: any GX engine can run it."""
    gx = _great_expectations()
    made: ExpectationSuite = gx.ExpectationSuite(
        name=name, expectations=[expectation(rule) for rule in rules], meta=dict(meta)
    )
    return made


def expectation(rule: Rule) -> Expectation:
    """One rule as Great Expectations' own object."""
    _great_expectations()
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    configuration = ExpectationConfiguration(type=rule.kind, kwargs=dict(rule.arguments), description=rule.why)
    return configuration.to_domain_obj()


def judge(
    suite_: ExpectationSuite,
    rules: Sequence[Rule],
    facts: Sequence[Fact],
    types: Mapping[str, str],
    meta: Mapping[str, Any],
) -> ExpectationSuiteValidationResult:
    """The suite's validation result; `results` are in the order of the rules."""
    from great_expectations.core import ExpectationSuiteValidationResult

    results = [
        _judged(one, rule, fact, types) for one, rule, fact in zip(suite_.expectations, rules, facts, strict=True)
    ]
    good = sum(bool(result.success) for result in results)
    return ExpectationSuiteValidationResult(
        success=good == len(results),
        results=results,
        suite_name=suite_.name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(results) - good,
            "success_percent": 100 * good / len(results),
        },
        meta=dict(meta),
    )


def _judged(one: Expectation, rule: Rule, fact: Fact, types: Mapping[str, str]) -> ExpectationValidationResult:
    from great_expectations.core import ExpectationValidationResult

    if fact.obstacle is not None:
        raised = {"raised_exception": True, "exception_message": fact.obstacle, "exception_traceback": None}
        return ExpectationValidationResult(
            success=False, expectation_config=one.configuration, result={}, exception_info=raised
        )
    if rule.kind == TYPE:
        # GX judges types by the class of its engine; Iceberg's own names are compared here.
        actual = types[rule.columns[0]]
        return ExpectationValidationResult(
            success=actual in rule.arguments["type_list"],
            expectation_config=one.configuration,
            result={"observed_value": actual},
        )
    configuration = {"result_format": dict(RESULT_FORMAT)}
    needed = one.get_validation_dependencies(runtime_configuration=configuration)
    metrics = {
        metric.id: _metric(name, rule, fact, list(types)) for name, metric in needed.metric_configurations.items()
    }
    return one.metrics_validate(metrics, runtime_configuration=configuration)


def _metric(name: str, rule: Rule, fact: Fact, columns: list[str]) -> Any:
    """The value of a GX metric, by GX's name of it."""
    if name == "table.columns":
        return columns
    if name == "table.row_count" or name.endswith(".filtered_row_count"):
        return fact.rows
    if name == "column_values.nonnull.unexpected_count":
        return fact.nulls
    if name == "column.max":
        return fact.observed
    if name.endswith((".unexpected_count", "unexpected_rows_query.row_count")):
        return fact.unexpected
    if name.endswith((".unexpected_values", "unexpected_rows_query.table")):
        single = rule.columns[0] if "column" in rule.arguments else None
        return [row[single] if single else row for row in fact.sample]
    raise NotImplementedError(f"{rule.kind} asks for the metric {name}, which no fact answers")


def _great_expectations() -> Any:
    """The library, imported late (4 s of CPU), without its usage statistics."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    return great_expectations
