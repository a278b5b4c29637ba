"""Numbers as text of their digits: for what no type of DuckDB holds exactly.

The text of a number is canonical: no zeros that say nothing, no exponent where there are digits to write. An integer
or decimal has its own digits, a float the shortest ones that mean it (up to 1e38 a whole one has all of its digits).
"""

from __future__ import annotations


def significant(text: str) -> str:
    """SQL of the digits that count in the number `text`, without point, sign, exponent and outer zeros."""
    return f"trim(regexp_replace(regexp_replace({text}, '[eE].*$', ''), '[^0-9]', '', 'g'), '0')"


def is_double(text: str) -> str:
    """SQL: the number `text` is the very digits of a double, so that reading it as one loses nothing."""
    double = f"TRY_CAST({text} AS DOUBLE)"
    spelled = f"regexp_full_match({text}, '(?i)\\s*[-+]?(nan|inf|infinity)\\s*')"
    same = f"{significant(text)} = {significant(f'{double}::VARCHAR')}"
    return f"CASE WHEN isfinite({double}) THEN {same} ELSE {spelled} END"


def of_plain(text: str) -> str:
    """SQL of the canonical text of a number that is written without exponent: '+01.50' is '1.5', '-0.0' is '0'."""
    sign = f"CASE WHEN starts_with(trim({text}), '-') THEN '-' ELSE '' END"
    whole = f"ltrim(split_part(ltrim(trim({text}), '+-'), '.', 1), '0')"
    part = f"rtrim(split_part(trim({text}), '.', 2), '0')"
    double = f"TRY_CAST({text} AS DOUBLE)::VARCHAR"
    return (
        f"CASE WHEN {whole} = '' AND {part} = '' THEN '0' WHEN {part} = '' THEN {sign} || {whole} "
        f"WHEN {significant(text)} = {significant(double)} THEN {double} "
        f"ELSE {sign} || CASE WHEN {whole} = '' THEN '0' ELSE {whole} END || '.' || {part} END"
    )


def of_double(value: str) -> str:
    """SQL of the canonical text of a DOUBLE."""
    return (
        f"CASE WHEN isfinite({value}) AND {value} = trunc({value}) AND abs({value}) < 1e38 "
        f"THEN TRY_CAST({value} AS HUGEINT)::VARCHAR ELSE {value}::DOUBLE::VARCHAR END"
    )


def written(value: str) -> str:
    """SQL of a DECIMAL as text with a digit before the point: DuckDB writes .50 where the type has none there."""
    return f"regexp_replace({value}::VARCHAR, '^(-?)[.]', '\\10.')"


def of_decimal(value: str) -> str:
    """SQL of the canonical text of a DECIMAL: that of a double where it has the very digits of one.

    So a decimal and a double are equal when they say the same digits; a small one is written as doubles are, 1e-07.
    """
    plain, double = written(value), f"{value}::DOUBLE::VARCHAR"
    return (
        f"CASE WHEN {value} = trunc({value}) THEN split_part({plain}, '.', 1) "
        f"WHEN {significant(plain)} = {significant(double)} THEN {double} ELSE rtrim({plain}, '0') END"
    )
