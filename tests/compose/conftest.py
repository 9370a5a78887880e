"""One engine, one build and one start for all that ``make compose-test`` checks."""

from collections.abc import Iterator

import pytest

from tests.compose.deployment import UNITS, VERSION, Deployment
from tests.compose.engine import docker, engine


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with engine() as found:
        made = Deployment(found, tmp_path_factory.mktemp("deployment"))
        print(f"\nbases: {'Debian packages' if made.is_debian else 'as published'}")
        try:
            made.compose("up", "--detach", "--no-build", "--pull=missing", "--wait", "--wait-timeout=300")
            seed = ["seed", "--products=10", "--users=3", f"--hot-units={UNITS}"]
            made.compose("run", "--rm", "migrate", "python", "-m", "service.manage", *seed)
            yield made
        finally:
            made.compose("down", "--volumes", "--remove-orphans", "--timeout=10", COMPOSE_PROFILES="*")
            images = {one["image"] for one in made.model["services"].values() if VERSION in one["image"]}
            docker(found, "rmi", "--force", *images, is_checked=False)
