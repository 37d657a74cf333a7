"""The pages in a real browser: silent, filtered, drilled down, accessible, printed, and read without scripts."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dedup
from dedup.reporting import Filters, each_hospital, explain_html, figures, render_html, rollout, write_each_hospital
from dedup.rules.tracing import trace
from dedup.settings import LoadingSettings, Settings
from dedup.warehouse import Warehouse, memory_warehouse, open_warehouse

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("DEDUP_CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WORLD = Path(__file__).parents[2] / "data" / "samples" / "world"
#: axe takes half a minute for a view of a large page: but for DEDUP_VIEWS=all, those are seen in one view a language.
VIEWS = list(itertools.product((360, 1440), ("light", "dark")))
FEW_VIEWS = {} if os.environ.get("DEDUP_VIEWS") == "all" else {"vi": [(360, "dark")], "en": [(1440, "light")]}
LARGE = ("all", "03001", "rollout")
SOME = 40  # orders a page: axe looks at every cell
AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def page_file(warehouse: Warehouse, tmp_path: Path) -> Path:
    """A page with enough rows to fold, and one hostile name."""
    con = warehouse.con
    con.execute("UPDATE facility SET name = '<img src=x onerror=document.title=1>' WHERE facility_id = '00003'")
    con.execute("""
INSERT INTO line SELECT * EXCLUDE (i) REPLACE (line_id + 100 * i AS line_id, order_id || '-' || i AS order_id)
FROM line, range(1, 21) AS r(i) WHERE line_id = 2""")
    con.execute("""
INSERT INTO flag SELECT * EXCLUDE (i) REPLACE (order_id || '-' || i AS order_id)
FROM flag, range(1, 21) AS r(i) WHERE order_id = 'O2'""")
    names = "'t' || i, 'Xét nghiệm ' || i, 'Test ' || i"
    con.execute(f"INSERT INTO test (test_id, name_vi, name_en) SELECT {names} FROM range(20) AS r(i)")
    con.execute("INSERT INTO code SELECT 10 + i, 'local', 'C' || i, '' FROM range(20) AS r(i)")
    con.execute("INSERT INTO code_test SELECT 10 + i, 't' || i FROM range(20) AS r(i)")
    con.execute("UPDATE line SET code_id = 9 + (line_id - 2) // 100 WHERE line_id > 100")
    con.execute("UPDATE flag SET test_id = 't' || (CAST(order_id[4:] AS INT) - 1) WHERE order_id LIKE 'O2-%'")
    path = tmp_path / "report.html"
    path.write_text(render_html(figures(warehouse), "vi"), encoding="utf-8")
    return path


def opened(browser: Any, path: Path, **options: Any) -> tuple[Any, list[str]]:
    """The page, and everything it asked for or complained about."""
    page = browser.new_context(**options).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: said.append(f"request: {request.url}"))
    page.goto(path.as_uri())
    said.remove(f"request: {path.as_uri()}")
    return page, said


def rows(page: Any, table: str) -> int:
    return int(page.locator(f"#t-{table} tbody tr:visible").count())


def test_silent_and_self_contained(browser: Any, page_file: Path) -> None:
    page, said = opened(browser, page_file)
    page.locator("#t-tests th button").nth(3).click()
    page.wait_for_timeout(100)
    assert said == []
    assert page.title().startswith("Xét nghiệm")


@pytest.fixture(scope="module")
def every_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each kind of page in both languages, as the invented world gives them, one of nothing at all among them."""
    folder = tmp_path_factory.mktemp("pages")
    settings = Settings(loading=LoadingSettings(facilities=WORLD / "facilities.csv"))
    dedup.run([WORLD / "input"], folder / "w.duckdb", settings)
    with open_warehouse(folder / "w.duckdb", read_only=True) as made, memory_warehouse() as empty:
        keys = made.con.execute(
            "SELECT facility_id, order_id, line_no FROM flag WHERE verdict = 'unrecognised' ORDER BY ALL LIMIT 1"
        ).fetchone()
        assert keys
        traced = dataclasses.asdict(trace(made, settings, *keys))
        hospitals = list(each_hospital(made, Filters(hospitals=("03001", "05005")), orders=SOME))
        for lang in ("vi", "en"):
            write_each_hospital(made, Filters(hospitals=("05005",)), "html", lang, folder / lang)  # for its index
            for name, text in {
                "all": render_html(figures(made, orders=SOME), lang),
                **{str(one.facility_id): render_html(one, lang) for one in hospitals},
                "rollout": render_html(rollout(made), lang),
                "empty": render_html(figures(empty), lang),
                "explain": explain_html(made, traced, [], lang),
            }.items():
                (folder / lang / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize("name", ["all", "03001", "05005", "index", "rollout", "empty", "explain"])
def test_accessible_silent_and_never_wider_than_the_screen(
    browser: Any, every_page: Path, lang: str, name: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, said = opened(browser, every_page / lang / f"{name}.html", bypass_csp=True)
    for width, scheme in FEW_VIEWS.get(lang, VIEWS) if name in LARGE else VIEWS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(page, options={"runOnly": AA})
        assert found.response["violations"] == [], found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []


def test_filter_and_fold(browser: Any, page_file: Path) -> None:
    page, _ = opened(browser, page_file)
    assert rows(page, "tests") == 15
    page.locator("#tests .tools button", has_text="Hiện tất cả").click()
    assert rows(page, "tests") == 23
    page.locator("#tests input").fill("xet nghiem 7")
    assert rows(page, "tests") == 1


def test_sort_by_number_time_and_name(browser: Any, page_file: Path) -> None:
    page, _ = opened(browser, page_file)
    head = page.locator("#t-verdicts th", has_text="Giá tiền")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    place = page.locator("#t-verdicts th").evaluate_all("heads => heads.findIndex(h => h.dataset.c === 'price_vnd')")
    cells = page.locator(f"#t-verdicts tbody tr td:nth-child({place + 1})").all_text_contents()
    amounts = [int("".join(char for char in cell if char.isdigit())) for cell in cells]
    assert amounts == sorted(amounts)
    page.locator("#t-orders th", has_text="Chỉ định lúc").get_by_role("button").click()
    times = page.locator("#t-orders tbody tr td:nth-child(7)").all_text_contents()
    keys = [time[6:10] + time[3:5] + time[:2] + time[11:] for time in times]
    assert keys == sorted(keys)


def test_drill_down_leads_to_the_orders(browser: Any, page_file: Path) -> None:
    page, _ = opened(browser, page_file)
    page.locator("#tests .tools button", has_text="Hiện tất cả").click()
    row = page.locator("#t-tests tbody tr", has_text="Định lượng Glucose").first
    number = int(row.locator("td").nth(3).text_content())
    row.locator("a").click()
    assert rows(page, "orders") == number
    assert {"Định lượng Glucose"} == set(page.locator("#t-orders tbody tr:visible td:nth-child(8)").all_text_contents())
    page.locator("#orders .tools button", has_text="✕").click()
    assert rows(page, "orders") == 26


def test_reads_without_script(browser: Any, page_file: Path) -> None:
    page, said = opened(browser, page_file, java_script_enabled=False)
    assert rows(page, "tests") == 23
    assert page.locator("#orders .tools").count() == 0
    assert said == []


def test_prints(browser: Any, page_file: Path, tmp_path: Path) -> None:
    page, _ = opened(browser, page_file)
    content = page.pdf(prefer_css_page_size=True)
    assert content.startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.locator(".tools:visible, nav:visible").count() == 0
    # Chromium does not draw a button in the head it repeats on the next page: on paper the head is text
    assert {"contents"} == set(
        page.locator("th button").evaluate_all("all => all.map(b => getComputedStyle(b).display)")
    )
