"""The deployment in containers at work. The tests build on each other, in this order."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.compose.deployment import COMES_BACK_WITHIN_S, PRODUCT, PROJECT, RUNNING, Buyer, Deployment
from tests.compose.engine import wait_for
from tests.compose.monitoring import targets_down, without_data
from tests.unit.compose_rules import ROOT
from tests.unit.monitoring_files import Query, of_dashboards

pytestmark = pytest.mark.timeout(1200)

BUYERS = 4


def test_every_container_is_well(deployment: Deployment) -> None:
    assert [name for name in RUNNING if not deployment.is_well(name)] == []
    assert deployment.inspect("migrate")["State"]["ExitCode"] == 0


@pytest.mark.parametrize(
    ("service", "path", "package"),
    [
        ("web", "service", "pkg:pypi/django"),
        ("web", "service", "pkg:deb/debian/libc6"),
        ("primary", "hotrow", "pkg:deb/debian/postgresql-common"),
        ("pgbouncer", "hotrow", "pkg:deb/debian/pgbouncer"),
    ],
)
def test_bill_of_materials_lists_what_is_there(deployment: Deployment, service: str, path: str, package: str) -> None:
    bill = json.loads(deployment.inside(service, f"cat /opt/{path}/sbom.json").stdout)
    listed = {it["purl"].partition("@")[0]: it["version"] for it in bill["components"]}
    name = package.rpartition("/")[2]
    ask = f"dpkg-query --show --showformat '${{Version}}\\n' '{name}*'"
    if package.startswith("pkg:pypi/"):
        ask = f"python -c 'import {name}; print({name}.__version__)'"
    assert listed[package] in deployment.inside(service, ask).stdout.split()
    assert "pkg:pypi/pip" not in listed


@pytest.mark.parametrize("service", RUNNING)
def test_container_is_as_confined_as_the_file_says(deployment: Deployment, service: str) -> None:
    done = deployment.inside(
        service, "id -u; sed -n 's/^CapEff:\\t//p; s/^NoNewPrivs:\\t//p' /proc/1/status; touch /tmp/x && touch /x"
    )
    uid, capabilities, no_new_privileges = done.stdout.split()
    assert int(uid) > 0
    assert (int(capabilities, 16), no_new_privileges) == (0, "1")
    # It could write to /tmp, so what it says of / is said of /.
    assert (done.returncode, done.stderr.count("Read-only file system")) == (1, 1)
    limits = deployment.inspect(service)["HostConfig"]
    assert min(limits["Memory"], limits["NanoCpus"], limits["PidsLimit"]) > 0


def test_databases_have_no_way_out(deployment: Deployment) -> None:
    """Nothing outside their own network answers them; web's address in the other one stands for the world."""
    web = deployment.inspect("web")["NetworkSettings"]["Networks"][f"{PROJECT}_front"]["IPAddress"]

    def reaches(service: str) -> bool:
        return deployment.inside(service, f"timeout 2 bash -c 'exec 3<>/dev/tcp/{web}/8000'").returncode == 0

    # Each of them waits for its two seconds.
    with ThreadPoolExecutor(len(RUNNING)) as at_once:
        reached = dict(zip(RUNNING, at_once.map(reaches, RUNNING), strict=True))
    assert {name for name in RUNNING if reached[name]} == {"web", "worker", "beat"}


def test_reservation_goes_through_pgbouncer(deployment: Deployment) -> None:
    def served() -> int:
        return sum(
            int(row["total_xact_count"]) for row in deployment.console("SHOW STATS") if "hotrow" in row["database"]
        )

    before = served()
    buyer = Buyer(deployment.url, PRODUCT)
    for _ in range(10):
        buyer.reserve()
    wait_for(lambda: served() >= before + buyer.told, 10)
    assert served() >= before + buyer.told
    users = deployment.query("SELECT DISTINCT client_addr FROM pg_stat_activity WHERE usename = 'hotrow_app'")
    pooler = deployment.inspect("pgbouncer")["NetworkSettings"]["Networks"][f"{PROJECT}_back"]["IPAddress"]
    assert users == [[pooler]]


def test_passwords_are_asked_for(deployment: Deployment) -> None:
    def comes_in(user: str, password: str, database: str = "hotrow", host: str = "pgbouncer port=6432") -> bool:
        script = f'psql -XAtc "SELECT 1" "host={host} user={user} dbname={database} connect_timeout=10"'
        return deployment.inside("pgbouncer", script, PGPASSWORD=password).returncode == 0

    for host in ("pgbouncer port=6432", "primary"):
        assert comes_in("hotrow_app", deployment.secret("app_password"), host=host)
        assert not comes_in("hotrow_app", "wrong", host=host)
        assert not comes_in("nobody_here", "wrong", host=host)
        assert not comes_in("postgres", "", host=host)
    assert not comes_in("hotrow_monitor", "wrong", "pgbouncer")
    assert not comes_in("hotrow_replicator", deployment.secret("replicator_password"))


def test_console_shows_what_the_file_says(deployment: Deployment) -> None:
    given = deployment.model["services"]["pgbouncer"]["environment"]
    shown = {row["key"]: row["value"] for row in deployment.console("SHOW CONFIG")}
    assert shown["auth_type"] == "scram-sha-256"
    assert shown["auth_query"] == "SELECT name, secret FROM pooler.user_lookup($1)"
    assert (shown["max_client_conn"], shown["default_pool_size"]) == (given["MAX_CLIENT_CONN"], given["POOL_SIZE"])
    assert shown.get("max_prepared_statements", "0") == ("200" if deployment.has_new_pooler else "0")
    sizes = {row["name"]: (row["pool_size"], row["host"]) for row in deployment.console("SHOW DATABASES")}
    for name, size in {"": "POOL_SIZE", "_lane": "LANE_POOL_SIZE", "_direct": "DIRECT_POOL_SIZE"}.items():
        assert sizes[f"hotrow{name}"] == (given[size], "primary")
    modes = {row["pool_mode"] for row in deployment.console("SHOW POOLS") if row["user"] == "hotrow_app"}
    assert modes == {"transaction"}


def test_processes_need_a_version_with_peers(deployment: Deployment) -> None:
    """bookworm's is older than 1.19, and is refused; a newer one runs until it is asked to end."""
    elsewhere = {"HOTROW_RUN": "/tmp/more", "HOTROW_POOLER": "/tmp/more", "LISTEN_PORT": "7432"}
    script = "mkdir -p /tmp/more && exec timeout --signal=INT 5 sh /opt/hotrow/entrypoint.sh"
    done = deployment.inside("pgbouncer", script, PGBOUNCER_PROCESSES="2", **elsewhere)
    refused = "and PGBOUNCER_PROCESSES=2 needs 1.19 or newer: set it to 1" in done.stderr
    assert (done.returncode, refused) == ((124, False) if deployment.has_new_pooler else (1, True)), done.stderr


def test_process_does_not_start_on_an_unmigrated_database(deployment: Deployment) -> None:
    empty = "HOTROW_DATABASE_URL=postgresql://hotrow_migrator@primary:5432/postgres"
    command = ["migrate", "python", "-m", "service.manage", "require_migrations"]
    done = deployment.compose("run", "--rm", "--no-deps", "-T", f"--env={empty}", *command, is_checked=False)
    assert done.returncode == 1
    assert "run `migrate` and `grant_access` as the migrator first" in done.stderr
    assert deployment.compose("run", "--rm", "--no-deps", "-T", *command).returncode == 0


def test_no_unit_is_lost_while_each_container_is_killed(deployment: Deployment) -> None:
    def held() -> int:
        return int(deployment.query(f"SELECT sum(held) FROM product_stock WHERE product_id = {PRODUCT}")[0][0])

    before = held()
    is_over = threading.Event()
    buyers = [Buyer(deployment.url, PRODUCT) for _ in range(BUYERS)]
    broken: list[Exception] = []

    def shop(buyer: Buyer) -> None:
        try:
            while not is_over.is_set():
                buyer.reserve()
        except (AssertionError, OSError, ValueError) as error:
            broken.append(error)

    threads = [threading.Thread(target=shop, args=[buyer]) for buyer in buyers]
    for thread in threads:
        thread.start()
    try:
        for service in RUNNING:
            starts, told = deployment.inspect(service)["RestartCount"], sum(buyer.told for buyer in buyers)
            deployment.kill(service)
            wait_for(
                lambda starts=starts, service=service: (
                    deployment.inspect(service)["RestartCount"] > starts and deployment.is_well(service)
                ),
                COMES_BACK_WITHIN_S,
            )
            assert deployment.is_well(service), service
            assert deployment.inspect(service)["RestartCount"] == starts + 1, service
            # Buyers are served again.
            wait_for(lambda told=told: sum(buyer.told for buyer in buyers) > told + BUYERS, COMES_BACK_WITHIN_S)
            assert sum(buyer.told for buyer in buyers) > told + BUYERS, service
    finally:
        is_over.set()
        for thread in threads:
            thread.join(COMES_BACK_WITHIN_S + 10)
    assert broken == []
    told = sum(buyer.told for buyer in buyers)
    print(f"\n{told} reservations were told of while each container was killed once")
    assert held() == before + told
    assert deployment.query("SELECT * FROM check_stock_v1()") == []


def test_no_panel_is_without_data(deployment: Deployment) -> None:
    """After traffic, and after the kills: errors are counted where there were some."""
    wait_for(lambda: not targets_down(deployment), 60)
    assert targets_down(deployment) == []
    queries = [*of_dashboards()]
    wait_for(lambda: not without_data(deployment, queries), 60)
    assert without_data(deployment, queries) == []
    nobody = Query("nobody", "hotrow_sold_total")
    assert without_data(deployment, [*queries[:1], nobody]) == [nobody]


def test_replica_has_what_the_primary_has(deployment: Deployment) -> None:
    counts = "SELECT count(*), coalesce(sum(delta_held), 0) FROM stock_transaction"
    wait_for(lambda: deployment.query(counts, "replica") == deployment.query(counts), 30)
    assert deployment.query(counts, "replica") == deployment.query(counts)
    assert deployment.query("SELECT pg_is_in_recovery()", "replica") == [["t"]]


def test_work_in_the_background_is_done(deployment: Deployment) -> None:
    """A due hold ends though nobody asks: beat, Redis and the worker found each other again."""
    deployment.query(
        "UPDATE stock_reservation SET expires_at = now() - interval '1 second' WHERE id ="
        " (SELECT min(id) FROM stock_reservation WHERE status = 'held')"
    )
    due = "SELECT count(*) FROM stock_reservation WHERE status = 'held' AND expires_at < now()"
    wait_for(lambda: deployment.query(due) == [["0"]], 60)
    assert deployment.query(due) == [["0"]]


def test_password_changes_by_a_second_role(deployment: Deployment) -> None:
    """The steps of docs/howto/deploy.md."""
    buyer = Buyer(deployment.url, PRODUCT)
    deployment.renew_secret("app_password")
    created = f"CREATE ROLE hotrow_app_2 LOGIN PASSWORD '{deployment.secret('app_password')}'"
    limits = (ROOT / "postgres/limits.sql").read_text().replace("hotrow_app ", "hotrow_app_2 ")
    deployment.query(created)
    deployment.query(limits)
    grant = ["run", "--rm", "migrate", "python", "-m", "service.manage", "grant_access"]
    deployment.compose(*grant, "hotrow_app_2=app")
    # Until here nobody knows of it.
    buyer.reserve()
    deployment.settings["HOTROW_APP_ROLE"] = "hotrow_app_2"
    deployment.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout=300")
    deployment.query("ALTER ROLE hotrow_app NOLOGIN")
    deployment.compose(*grant, "hotrow_app=none")
    buyer.reserve()
    users = "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename LIKE 'hotrow_app%'"
    deployment.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hotrow_app'")
    buyer.reserve()
    assert deployment.query(users) == [["hotrow_app_2"]]
    assert deployment.query(
        "SELECT DISTINCT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 'hotrow_app_2'::regrole"
    )


def test_taken_port_is_named(deployment: Deployment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = deployment.compose(
            "run", "--rm", "--no-deps", f"--publish=127.0.0.1:{port}:8000", "web", is_checked=False
        )
    assert done.returncode != 0
    assert f":{port}" in done.stderr
    assert "address already in use" in done.stderr or "port is already allocated" in done.stderr
