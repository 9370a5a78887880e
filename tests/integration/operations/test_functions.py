"""Function operations: versions side by side, replaced ones, and what is refused."""

import psycopg
import pytest

from service.db.errors import DefinitionDiffers, WronglyUsed
from service.db.operations import DropFunction, RunSQLFile
from tests.integration.operations.project import Project

PRICE = """-- What it costs, 100 %.
CREATE FUNCTION public.price_v{version}(p_id bigint, VARIADIC p_more text[] DEFAULT '{{}}')
RETURNS integer
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, public, pg_temp
AS $function$
BEGIN
    -- CREATE FUNCTION public.price_v1( is no second function
    RETURN (SELECT i.price * {version} % 1000 FROM item AS i WHERE i.id = p_id);
END
$function$;
REVOKE ALL ON FUNCTION public.price_v{version}(bigint, text[]) FROM PUBLIC;
"""
TOUCH = """CREATE OR REPLACE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.name := 'touched {version}';
    RETURN NEW;
END
$$;
"""
NAMES = "SELECT coalesce(array_agg(proname::text ORDER BY proname), '{}') FROM pg_proc WHERE proname ~ '^(price|touch)'"


@pytest.fixture
def versions(project: Project) -> list[RunSQLFile]:
    return [RunSQLFile(project.write(f"functions/price_v{n}.sql", PRICE.format(version=n))) for n in (1, 2)]


@pytest.fixture
def touches(project: Project) -> list[RunSQLFile]:
    return [RunSQLFile(project.write(f"functions/touch_v{n}.sql", TOUCH.format(version=n))) for n in (1, 2)]


@pytest.mark.parametrize("atomic", [True, False])
def test_versions_run_side_by_side(project: Project, versions: list[RunSQLFile], atomic: bool) -> None:
    for operation in versions:
        project.forwards(operation, atomic=atomic)
    assert project.execute("SELECT price_v1(7), price_v2(7)") == [(7, 14)]
    assert project.value("SELECT has_function_privilege('public', 'price_v1(bigint, text[])', 'EXECUTE')") is False
    project.backwards(versions[1], atomic=atomic)
    assert project.value(NAMES) == ["price_v1"]
    project.backwards(versions[0], atomic=atomic)
    assert project.value(NAMES) == []


def test_function_that_is_there_as_the_file_makes_it_is_accepted(project: Project, versions: list[RunSQLFile]) -> None:
    for _ in range(2):
        project.forwards(versions[0])
    for _ in range(2):
        project.backwards(versions[0])
    assert project.value(NAMES) == []


@pytest.mark.parametrize(
    "change",
    [
        "ALTER FUNCTION price_v1 IMMUTABLE",
        "GRANT EXECUTE ON FUNCTION price_v1 TO PUBLIC",
        "ALTER FUNCTION price_v1 SECURITY DEFINER",
        "ALTER FUNCTION price_v1 RESET search_path",
        "CREATE FUNCTION price_v1() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_function_of_another_definition_is_refused(project: Project, versions: list[RunSQLFile], change: str) -> None:
    project.forwards(versions[0])
    project.execute(change)
    with pytest.raises(DefinitionDiffers, match="did not make it"):
        project.forwards(versions[0])
    with pytest.raises(DefinitionDiffers):
        project.backwards(versions[0])
    with pytest.raises(DefinitionDiffers):
        project.forwards(DropFunction(versions[0].path))
    assert "price_v1" in project.value(NAMES)


def test_reversing_a_replacing_file_restores_the_previous_version(project: Project, touches: list[RunSQLFile]) -> None:
    project.forwards(touches[0])
    project.execute("CREATE TRIGGER touched BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch()")

    def touched() -> object:
        return project.value("UPDATE item SET price = 1 WHERE id = 1 RETURNING name")

    assert touched() == "touched 1"
    for _ in range(2):
        project.forwards(touches[1])
        assert touched() == "touched 2"
    for _ in range(2):
        project.backwards(touches[1])
        assert touched() == "touched 1"
    project.execute("DROP TRIGGER touched ON item")
    project.backwards(touches[0])
    assert project.value(NAMES) == []


def test_reversing_gives_public_back_what_the_later_version_took(project: Project, touches: list[RunSQLFile]) -> None:
    public = "SELECT has_function_privilege('public', 'touch()', 'EXECUTE')"
    revoke = "REVOKE ALL ON FUNCTION public.touch() FROM PUBLIC;\n"
    later = RunSQLFile(project.write("functions/touch_v3.sql", TOUCH.format(version=3) + revoke))
    silent = RunSQLFile(project.write("functions/touch_v4.sql", TOUCH.format(version=4)))
    for operation in (*touches, later):
        project.forwards(operation)
    assert project.value(public) is False
    with pytest.raises(WronglyUsed, match="does not say who may execute"):
        project.forwards(silent)
    assert project.value(public) is False
    project.backwards(later)
    assert project.value(public) is True
    project.forwards(later)
    project.backwards(later)
    project.backwards(touches[1])


def test_replacing_refuses_what_is_not_the_previous_version(project: Project, touches: list[RunSQLFile]) -> None:
    with pytest.raises(DefinitionDiffers):
        project.forwards(touches[1])
    project.forwards(touches[0])
    project.execute(TOUCH.format(version="by hand"))
    for refused in (lambda: project.forwards(touches[1]), lambda: project.backwards(touches[0])):
        with pytest.raises(DefinitionDiffers, match="by hand"):
            refused()


def test_replacing_refuses_other_arguments(project: Project, touches: list[RunSQLFile]) -> None:
    project.write("functions/f_v1.sql", "CREATE OR REPLACE FUNCTION f(a integer) RETURNS int LANGUAGE sql RETURN 1;")
    project.write("functions/f_v2.sql", "CREATE OR REPLACE FUNCTION f(a bigint) RETURNS int LANGUAGE sql RETURN 1;")
    project.forwards(RunSQLFile("functions/f_v1.sql"))
    with pytest.raises(DefinitionDiffers, match="cannot replace"):
        project.forwards(RunSQLFile("functions/f_v2.sql"))
    project.write("functions/g_v2.sql", "CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql RETURN 1;")
    project.write("functions/g_v1.sql", "CREATE FUNCTION g_v1() RETURNS int LANGUAGE sql RETURN 1;")
    with pytest.raises(WronglyUsed, match="must CREATE OR REPLACE g too"):
        project.forwards(RunSQLFile("functions/g_v2.sql"))


def test_drop_function_is_reversed_by_the_file(project: Project, versions: list[RunSQLFile]) -> None:
    drop = DropFunction(versions[0].path)
    for operation in versions:
        project.forwards(operation)
    project.forwards(drop, atomic=True)
    assert project.value(NAMES) == ["price_v2"]
    project.forwards(drop)
    project.backwards(drop, atomic=True)
    assert project.execute("SELECT price_v1(7), price_v2(7)") == [(7, 14)]


def test_drop_function_names_what_still_uses_it(project: Project, versions: list[RunSQLFile]) -> None:
    drop = DropFunction(versions[0].path)
    project.forwards(versions[0])
    project.execute(
        "CREATE FUNCTION total() RETURNS bigint LANGUAGE sql AS 'SELECT sum(price_v1(id)) FROM item'",
        "CREATE VIEW prices AS SELECT price_v1(id) FROM item",
        "CREATE FUNCTION commented() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint -- price_v1 /*\n'",
        "CREATE FUNCTION another() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint /* price_v1 */ /* b */'",
        "CREATE FUNCTION price_v1_total() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
    )
    with pytest.raises(WronglyUsed) as raised:
        project.forwards(drop)
    assert "function total()" in str(raised.value)
    assert "view prices" in str(raised.value)
    assert "commented" not in str(raised.value)
    assert "another" not in str(raised.value)
    project.execute("DROP FUNCTION total()", "DROP VIEW prices")
    project.forwards(drop)
    assert "price_v1" not in project.value(NAMES)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("functions/price_v1.sql", PRICE.format(version=2)),
        ("functions/price_v1.sql", PRICE.format(version=1).replace("CREATE F", "CREATE OR REPLACE F")),
        ("functions/price.sql", PRICE.format(version=1)),
        ("functions/price_v1.sql", PRICE.format(version=1) + PRICE.format(version=2)),
        ("functions/price_v1.sql", "SELECT 1;"),
    ],
)
def test_file_that_is_not_one_function_of_its_name_is_refused(project: Project, path: str, text: str) -> None:
    with pytest.raises(WronglyUsed, match="must make one function"):
        project.forwards(RunSQLFile(project.write(path, text)))
    assert project.value(NAMES) == []


def test_broken_function_leaves_nothing(project: Project) -> None:
    path = project.write("functions/price_v1.sql", PRICE.format(version=1) + "SELECT 1 / 0;\n")
    for atomic in (True, False):
        with pytest.raises(Exception, match="division by zero"):
            project.forwards(RunSQLFile(path), atomic=atomic)
    assert project.value(NAMES) == []


def test_an_old_release_keeps_its_function_while_a_new_one_arrives(
    project: Project, versions: list[RunSQLFile]
) -> None:
    project.forwards(versions[0])
    with psycopg.connect(project.conninfo) as old:
        assert old.execute("SELECT price_v1(3)").fetchone() == (3,)
        project.forwards(versions[1])
        assert old.execute("SELECT price_v1(3)").fetchone() == (3,)


def test_sqlmigrate_prints_what_runs(project: Project, versions: list[RunSQLFile], touches: list[RunSQLFile]) -> None:
    drop = DropFunction(versions[0].path)
    assert project.forwards(versions[0], collect_sql=True) == [PRICE.format(version=1)]
    assert project.backwards(versions[0], collect_sql=True) == ["DROP FUNCTION public.price_v1;"]
    assert project.forwards(drop, collect_sql=True) == ["DROP FUNCTION public.price_v1;"]
    assert project.backwards(drop, collect_sql=True) == [PRICE.format(version=1)]
    assert project.backwards(touches[1], collect_sql=True) == [TOUCH.format(version=1)]
