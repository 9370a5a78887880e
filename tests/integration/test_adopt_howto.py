"""The commands and statements of docs/howto/adopt.md, run as they stand on the old project."""

import re

from tests.oldshop.database import ROOT, OldShop

pytest_plugins = ["tests.integration.adopting"]

HOWTO = (ROOT / "docs/howto/adopt.md").read_text()
BLOCKS = re.findall(r"^```(text|sql)\n(.*?)^```", HOWTO, re.MULTILINE | re.DOTALL)


def test_howto_works_from_the_first_line_to_the_last(oldshop: OldShop) -> None:
    commands = 0
    for language, block in BLOCKS:
        for line in block.splitlines():
            if language == "sql":
                oldshop.run(line)
                continue
            command = line.split("#")[0].split()
            assert command[:2] == ["python", "manage.py"]
            oldshop.manage(*command[2:])
            commands += 1
    assert commands == 5
    assert oldshop.run("SELECT to_regclass('product_stock')") == [(None,)]
    assert oldshop.row() == (300, 0, 9)
