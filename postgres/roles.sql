-- The roles of hotrow. A superuser runs this at each start of the local stack and of the deployment's primary: what is
-- missing is made, and a password that was set stays.
-- Passwords: the setting hotrow.<kind>_password of the session. A role that is made without one cannot log in.
-- The settings of the roles are in limits.sql, and what they may do in sql/functions/grant_access_v1.sql.
DO $roles$
DECLARE
    v_role record;
    v_password text;
BEGIN
    FOR v_role IN
        SELECT *
          FROM (VALUES
              -- Owns everything, and cannot log in: the migrator acts as it.
              ('owner', 'NOLOGIN'),
              ('migrator', 'LOGIN IN ROLE hotrow_owner'),
              ('app', 'LOGIN'),
              ('admin', 'LOGIN'),
              ('lab', 'LOGIN'),
              ('readonly', 'LOGIN'),
              ('replicator', 'LOGIN REPLICATION'),
              ('monitor', 'LOGIN IN ROLE pg_monitor'),
              -- Asks for PgBouncer who may log in (pooler.sql), and may do nothing else.
              ('pooler', 'LOGIN')
          ) AS r (kind, attributes)
    LOOP
        v_password := nullif(current_setting('hotrow.' || v_role.kind || '_password', true), '');
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hotrow_' || v_role.kind) THEN
            EXECUTE format('CREATE ROLE %I %s', 'hotrow_' || v_role.kind, v_role.attributes);
        END IF;
        IF v_password IS NOT NULL
            AND EXISTS (SELECT FROM pg_authid WHERE rolname = 'hotrow_' || v_role.kind AND rolpassword IS NULL)
        THEN
            EXECUTE format('ALTER ROLE %I PASSWORD %L', 'hotrow_' || v_role.kind, v_password);
        END IF;
    END LOOP;
END
$roles$;
ALTER ROLE hotrow_migrator SET role = 'hotrow_owner';
-- Who holds a migration up is named only to a role that may see it.
GRANT pg_read_all_stats TO hotrow_owner;
