"""Reports that are lines, as Markdown and as a page."""

from html.parser import HTMLParser

from tuning.reports.page import markdown, page

LINES = [
    "FAIL unused-index: shop.order_idx <b>was</b> not used | since May",
    "    DROP INDEX CONCURRENTLY shop.order_idx;",
    '    CREATE INDEX "odd`name" ON t (a);',
    "",
    "1 FAIL, 0 WARN",
]


class Seen(HTMLParser):
    """Counts elements, and what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "action") and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_indented_line_belongs_to_the_one_before_it_and_a_statement_is_code() -> None:
    text = markdown("Server", LINES)
    assert text.splitlines()[:4] == [
        "# Server",
        "",
        r"- FAIL unused-index: shop.order\_idx \<b>was\</b> not used \| since May",
        "    - `DROP INDEX CONCURRENTLY shop.order_idx;`",
    ]


def test_page_has_what_the_lines_say_and_fetches_nothing() -> None:
    seen = Seen(page("A & B", markdown("Server", LINES)))
    assert (seen.tags.count("li"), seen.tags.count("ul"), seen.tags.count("code"), seen.fetched) == (4, 2, 2, [])
    # A tag of a finding stays text; a page that believed it would have one.
    assert "b" not in seen.tags
    assert "<b>was</b> not used | since May" in seen.text
    assert 'CREATE INDEX "odd`name" ON t (a);' in seen.text


def test_table_of_a_report_is_a_table() -> None:
    seen = Seen(page("T", "# T\n\n| a | b |\n| --- | --- |\n| 1 | <i>2</i> |\n"))
    assert (seen.tags.count("td"), "i" in seen.tags, "<i>2</i>" in seen.text) == (2, False, True)
