-- end_session_v1: log out: no refresh token of the session is taken from now on.
-- Locks:   the session's row, or those of all the user's sessions.
-- Returns: how many sessions ended; 0 if the token is unknown or its session was over.
-- Used by: service/accounts/sessions.py.
CREATE FUNCTION public.end_session_v1(p_digest bytea, p_everywhere boolean)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    v_session_id bigint;
    v_user_id bigint;
    v_count integer;
BEGIN
    -- An old token of the session is enough: whoever has it had the session.
    SELECT s.id, s.user_id INTO v_session_id, v_user_id
      FROM account_refresh_token AS t
      JOIN account_session AS s ON s.id = t.session_id
     WHERE t.digest = p_digest AND s.ends_at > clock_timestamp();
    IF NOT FOUND THEN
        RETURN 0;
    ELSIF p_everywhere THEN
        RETURN end_sessions_v1(v_user_id, 'logout');
    END IF;
    UPDATE account_session AS s SET ends_at = clock_timestamp(), ended_because = 'logout'
     WHERE s.id = v_session_id AND s.ends_at > clock_timestamp();
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$function$;
REVOKE ALL ON FUNCTION public.end_session_v1(bytea, boolean) FROM PUBLIC;
