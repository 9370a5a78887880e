"""A browser for the admin: cookies, forms with their hidden fields, and no following of redirects."""

import html
import http.client
import re
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from tests.client import TIMEOUT_S, Answer

_INPUT = re.compile(r"<input\b[^>]*>")
_ATTRIBUTE = re.compile(r'\b(type|name|value)="([^"]*)"')


class Browser:
    """Keeps cookies between requests; a Secure cookie is sent here too, as to this machine."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Answer:
        return self._send("GET", path, None)

    def post(self, path: str, fields: dict[str, str]) -> Answer:
        return self._send("POST", path, urlencode(fields).encode())

    def hidden(self, path: str) -> dict[str, str]:
        """The hidden fields of a page's form, the CSRF token among them."""
        page = self.get(path)
        assert page.status == 200, (path, page.status)
        return hidden_fields(page)

    def submit(self, path: str, **fields: str) -> Answer:
        """Open a form and send it."""
        return self.post(path, {**self.hidden(path), **fields})

    def log_in(self, username: str, password: str) -> Answer:
        return self.submit("/admin/login/?next=/admin/", username=username, password=password)

    def _send(self, method: str, path: str, body: bytes | None) -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        for line in response.headers.get_all("Set-Cookie") or []:
            self.set_cookies.append(line)
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return answer


def hidden_fields(page: Answer) -> dict[str, str]:
    inputs = [dict(_ATTRIBUTE.findall(each)) for each in _INPUT.findall(page.body.decode())]
    return {each["name"]: html.unescape(each.get("value", "")) for each in inputs if each.get("type") == "hidden"}
