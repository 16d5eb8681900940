from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyrisk.attacks.prompts import read_prompts
from copyrisk.errors import UserError

Rows = list[tuple[str, str, int]]


def read(path: Path, content: str | bytes, **options: Any) -> Rows:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return rows(read_prompts(path, **options))


def rows(table: pa.Table) -> Rows:
    assert table.column_names == ["prompt", "stratum", "lines"]
    return [tuple(row.values()) for row in table.to_pylist()]


CAT_TWICE = [("a cat", "prompts", 2), ("a dog", "prompts", 1)]
STRATA = [("a cat", "mail", 1), ("a dog", "web", 2)]


@pytest.mark.parametrize("name", ["prompts.txt", "prompts", "prompts.log"])
def test_of_text_each_line_is_a_prompt_and_those_that_occur_again_weigh_more(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, "a cat\n\n  a dog \r\na cat\n") == CAT_TWICE


def test_a_line_ends_where_an_editor_ends_it(tmp_path: Path) -> None:
    assert [prompt for prompt, _, _ in read(tmp_path / "p.txt", "\ufeffone\u2028still one\ntwo\x85still two\r\n")] == [
        "one\u2028still one",
        "two\x85still two",
    ]


@pytest.mark.parametrize("column", ["prompt", "caption", "text", "TEXT", "Caption"])
@pytest.mark.parametrize("name", ["p.csv", "p.CSV"])
def test_of_csv_the_column_of_prompts_is_read(tmp_path: Path, name: str, column: str) -> None:
    assert read(tmp_path / name, f"n,{column}\n1,a cat\n2,a dog\n3,a cat\n4,\n") == CAT_TWICE


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["p.csv", "p.tsv"])
def test_columns_may_be_parted_by_commas_semicolons_or_tabs(tmp_path: Path, name: str, sign: str) -> None:
    lines = [["", "Caption", "Stratum"], ["1", '"a cat"', "mail"], ["2", "a dog", "web"], ["3", "a dog", "web"]]
    assert read(tmp_path / name, "\r\n".join(sign.join(line) for line in lines)) == STRATA


def test_of_one_column_a_comma_parts_no_columns_in_a_semicolon_file(tmp_path: Path) -> None:
    assert read(tmp_path / "p.csv", "prompt;n\na cat, sitting;1\n") == [("a cat, sitting", "prompts", 1)]


def test_of_jsonl_what_unicode_cannot_write_is_replaced(tmp_path: Path) -> None:
    assert read(tmp_path / "p.jsonl", '{"prompt": "a \\ud83d cat"}\n') == [("a ? cat", "prompts", 1)]


def test_by_rules_the_column_of_strata_does_not_count(tmp_path: Path) -> None:
    lines = "prompt,stratum\na cat,one\na cat,two\na photo of Batman,one\na cat in the style of van gogh,\n"
    assert read(tmp_path / "p.csv", lines, strata="rules") == [
        ("a cat", "short", 2),
        ("a photo of Batman", "named", 1),
        ("a cat in the style of van gogh", "styled", 1),
    ]


def test_another_division_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--strata is 'rule'; it must be one of column, rules\.$"):
        read(tmp_path / "p.txt", "a cat", strata="rule")


def test_prompt_comes_before_other_columns(tmp_path: Path) -> None:
    assert read(tmp_path / "p.csv", "text,prompt\nno,yes\n") == [("yes", "prompts", 1)]


def test_a_prompt_may_hold_commas_quotes_and_lines(tmp_path: Path) -> None:
    assert read(tmp_path / "p.csv", 'prompt\n"one, ""two""\nthree 🐈"\n')[0][0] == 'one, "two"\nthree 🐈'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", "prompt,stratum\na cat,mail\na dog,web\na dog,web\n"),
        (
            "p.jsonl",
            '{"prompt": "a cat", "stratum": "mail"}\n\n{"prompt": "a dog", "stratum": "web"}\n'
            '{"stratum": "web", "prompt": "a dog"}\n',
        ),
    ],
)
def test_strata_are_read(tmp_path: Path, name: str, content: str) -> None:
    assert read(tmp_path / name, content) == STRATA


def test_parquet_is_read(tmp_path: Path) -> None:
    columns = {"prompt": ["a cat", "a dog", "a dog", None], "stratum": ["mail", "web", "web", "web"], "n": [1, 2, 3, 4]}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    assert rows(read_prompts(tmp_path / "p.parquet")) == STRATA


def test_parquet_may_hold_categories_and_long_text(tmp_path: Path) -> None:
    prompts = pa.chunked_array([pa.array(["a cat"], pa.large_string()), pa.array(["a dog"] * 2, pa.large_string())])
    columns = {"Prompt": prompts, "stratum": pa.array(["mail", "web", "web"]).dictionary_encode()}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    assert rows(read_prompts(tmp_path / "p.parquet")) == STRATA


def test_a_stratum_may_be_a_number_and_none_is_called_prompts(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["a", "b"], "stratum": [0, None]}), tmp_path / "p.parquet")
    assert rows(read_prompts(tmp_path / "p.parquet")) == [("a", "0", 1), ("b", "prompts", 1)]


def test_rows_without_a_prompt_are_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path / "p.jsonl", '{"prompt": "a cat"}\n{"other": 1}\n{"prompt": null}\n') == [
        ("a cat", "prompts", 1)
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", "", "holds no prompt"),
        ("p.txt", " \n\n", "holds no prompt"),
        ("p.csv", "", "holds no prompt"),
        ("p.csv", "prompt\n", "holds no prompt"),
        ("p.csv", "words,id\na cat,1\n", "has no column 'prompt'; it has words, id"),
        ("p.csv", "prompt\na cat, sitting\n", "line 2: more columns"),
        ("p.jsonl", '{"prompt": "a cat"}\noops\n', "line 2: expected one JSON object"),
        ("p.txt", b"caf\xe9\n", "is not UTF-8"),
        ("p.csv", b"prompt\ncaf\xe9\n", "is not UTF-8"),
        ("p.parquet", b"junk", r"cannot be read: .*[^.]\.$"),
        ("p.csv", "prompt,stratum\na cat,all\n", "stratum 'all', a name of the report's"),
        ("p.csv", "prompt,stratum\na cat,mail\na cat,web\n", "'a cat' in two strata, 'mail' and 'web'"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=rf"{name}.* {message}|{name}, {message}"):
        read(tmp_path / name, content)


@pytest.mark.parametrize("name", ["gone.txt", "."])
def test_a_file_that_is_not_there_names_the_option(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"^--prompts: there is no file"):
        read_prompts(tmp_path / name)
