"""Who still uses a function: what the server tracks, and the bodies of other functions, which it does not read."""

from django.db.backends.base.base import BaseDatabaseWrapper

from service.db.functions import SCHEMA, FunctionFile


def dependents(connection: BaseDatabaseWrapper, file: FunctionFile) -> list[str]:
    """The triggers, views, defaults and functions that use the function of the file, in words.

    A name in a comment of a body is no use of it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH used AS (SELECT oid, proname FROM pg_catalog.pg_proc"  # noqa: S608
            f"              WHERE pronamespace = {SCHEMA} AND quote_ident(proname) = %s)"
            " SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)"
            "   FROM pg_catalog.pg_depend AS d JOIN used ON used.oid = d.refobjid"
            "  WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.deptype IN ('n', 'a')"
            " UNION"
            " SELECT 'function ' || p.oid::regprocedure FROM pg_catalog.pg_proc AS p CROSS JOIN used"
            "  WHERE p.oid <> used.oid AND p.pronamespace <> 'pg_catalog'::regnamespace"
            "    AND pg_catalog.regexp_replace(pg_catalog.regexp_replace(p.prosrc, '--[^\\n]*', '', 'g'),"
            "                                  '/\\*.*?\\*/', '', 'g')"
            "        ~ ('\\m' || used.proname || '\\M')"
            " ORDER BY 1",
            [file.schema, file.name],
        )
        return [row[0] for row in cursor.fetchall()]
