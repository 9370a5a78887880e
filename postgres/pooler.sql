-- What PgBouncer's auth_query asks, in the service's database: the stored SCRAM secret of one role.
-- It runs with the rights of a role that cannot log in and reads six columns of pg_authid, and PgBouncer's user alone may
-- call it. Superusers, replication and roles whose time is over get no secret, so they do not come in this way.
-- A superuser runs this after roles.sql, at each start; what is there already is brought to this.
BEGIN;
DO $owner$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hotrow_lookup') THEN
        CREATE ROLE hotrow_lookup NOLOGIN;
    END IF;
END
$owner$;
GRANT SELECT (rolname, rolpassword, rolcanlogin, rolvaliduntil, rolsuper, rolreplication)
    ON pg_catalog.pg_authid TO hotrow_lookup;
CREATE SCHEMA IF NOT EXISTS pooler;
CREATE OR REPLACE FUNCTION pooler.user_lookup(p_name text, OUT name text, OUT secret text)
RETURNS SETOF record
LANGUAGE sql
STABLE
STRICT
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT a.rolname, a.rolpassword
      FROM pg_catalog.pg_authid AS a
     WHERE a.rolname = p_name
       AND a.rolcanlogin
       AND NOT a.rolsuper
       AND NOT a.rolreplication
       AND a.rolpassword LIKE 'SCRAM-SHA-256$%'
       AND (a.rolvaliduntil IS NULL OR a.rolvaliduntil > now())
$function$;
REVOKE ALL ON FUNCTION pooler.user_lookup(text) FROM PUBLIC;
-- As the last step: before it the superuser owns the function, and nobody may call it.
ALTER FUNCTION pooler.user_lookup(text) OWNER TO hotrow_lookup;
GRANT USAGE ON SCHEMA pooler TO hotrow_pooler;
GRANT EXECUTE ON FUNCTION pooler.user_lookup(text) TO hotrow_pooler;
COMMIT;
