"""What a comparison overlooks in text and lists, where asked: the FOLDS of `plumbline.contract.equality`, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plumbline.contract.equality import FOLDS
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.canonical import Form, Rule, is_list, is_text

_OF_TEXT = {
    "nfc": "nfc_normalize({}::VARCHAR)",
    "case": "lower({}::VARCHAR)",
    "space": r"trim(regexp_replace({}::VARCHAR, '\s+', ' ', 'g'))",
}


def folded(name: str, rule: Rule, ours: Any, theirs: Any, folds: Sequence[str]) -> Rule:
    """`rule` with the values of column `name` folded. Raises UsageError where the types have nothing of the kind."""
    if not folds:
        return rule
    for fold in folds:
        _check(name, fold, ours, theirs)
    steps = [_step(fold, in_list=is_list(ours)) for fold in FOLDS if fold in folds]

    def after(form: Form) -> Form:
        def whole(value: str) -> str:
            sql = form(value)
            for step in steps:
                sql = step(sql)
            return sql

        return whole

    return Rule(after(rule.left), after(rule.right), rule.nested)


def _step(fold: str, *, in_list: bool) -> Form:
    if fold == "order":
        return lambda value: f"list_sort({value})"
    sql = _OF_TEXT[fold]
    return lambda value: f"list_transform({value}, lambda item: {sql.format('item')})" if in_list else sql.format(value)


def _check(name: str, fold: str, ours: Any, theirs: Any) -> None:
    if fold not in FOLDS:
        raise UsageError(f"{fold!r} of column {name!r} cannot be ignored", next_step=f"use {', '.join(FOLDS)}")
    fits = _is_any_list if fold == "order" else _is_any_text
    for kind in (ours, theirs):
        if not fits(kind):
            what = "a list" if fold == "order" else "text"
            raise UsageError(
                f"column {name!r} is {kind}, not {what}: its {fold} cannot be ignored",
                next_step="use case, space and nfc for text and lists of text, order for lists",
            )


def _is_any_list(kind: Any) -> bool:
    return kind.id == "null" or is_list(kind)


def _is_any_text(kind: Any) -> bool:
    return kind.id == "null" or is_text(kind) or (is_list(kind) and is_text(kind.children[0][1]))
