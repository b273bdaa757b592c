"""LaTeX: escapes, rows of equal length, and a document where there is a LaTeX to make it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from headway.compare.report import Report
from headway.views.report import latex
from headway.views.report.sheet import Look

PLAIN = re.compile(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar)\{\}")


def test_the_table(made: Report) -> None:
    text = latex.write(made, Look(percent=True))
    body = text[text.index(r"\begin{table}") :]
    assert r"\textbf{91.2}~$\pm$1.2~(n = 3) & 0.5000~$\pm$0.0040~(n = 3)\textsuperscript{\dag{}} \\" in body
    assert r"& \multicolumn{1}{c}{a\_b \& \textless{}i\textgreater{}c\textless{}/i\textgreater{}} &" in body
    assert r"\cmidrule(lr){2-2} \cmidrule(lr){3-3}" in body
    assert r"\textsuperscript{a} \textless{}b\textgreater{}why" in body
    rows = [line for line in body.split("\n") if line.endswith(r"\\")]
    assert len(rows) == 5
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {2}


def test_values_span_their_metrics(made: Report) -> None:
    from dataclasses import replace

    one, other = made.columns
    columns = [replace(one, value="x"), replace(other, value="x"), replace(one, value="y")]
    text = latex.write(replace(made, columns=columns), Look())
    assert r" & \multicolumn{2}{c}{x} & \multicolumn{1}{c}{y} \\" in text
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}" in text
    plain = latex.write(replace(made, columns=[replace(one, value="")]), Look())
    assert "multicolumn" not in plain


def test_names_are_text(made: Report) -> None:
    name = made.rows[2]
    shown = latex.escape(name)
    assert shown == (
        r"{[}{*}{]} \$x\$ 100\% \{\#\textasciitilde{}\textasciicircum{}\&\} \textbackslash{}textbf`` -{-}no"
    )
    assert latex.escape('a--b \u2013 "q"') == r"a-{-}b \textendash{} ''q''"


def test_braces_are_balanced_and_nothing_is_left_open(made: Report) -> None:
    """Of what is no comment."""
    text = latex.write(made, Look())
    lines = [line for line in text.split("\n") if not line.startswith("%")]
    bare = re.sub(r"\\[#$%&_{}\\]", "", "\n".join(lines))
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set("#%_~^<>|") & set(PLAIN.sub("", bare).replace("~", ""))
    assert lines[0] == r"\begin{table}"
    assert bare.count(r"\begin") == bare.count(r"\end") == 3


def test_commands_are_comments_above(made: Report) -> None:
    above, _, _ = latex.write(made, Look()).partition(r"\begin{table}")
    assert all(line.startswith("% ") for line in above.split("\n")[:-1])
    assert "% headway report 'a b' <x>" in above
    assert "% headway train 'notes=a\n% ```\n% b' seed=0  # run run0-0.9123, commit 0123456 with" in above


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no pdflatex")
def test_it_compiles(made: Report, tmp_path: Path) -> None:
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + latex.write(made, Look())
    (tmp_path / "a.tex").write_text(document + r"\end{document}")
    subprocess.run(["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, capture_output=True)
