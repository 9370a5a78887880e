-- end_sessions_v1: end all sessions of a user, after a change of the password or on an operator's word.
-- Locks:   the rows of the user's sessions, in ascending id.
-- Returns: how many ended.
-- Used by: service/accounts/sessions.py, end_session_v1.
CREATE FUNCTION public.end_sessions_v1(p_user_id bigint, p_because text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    v_ids bigint[];
BEGIN
    v_ids := ARRAY(SELECT s.id FROM account_session AS s
                    WHERE s.user_id = p_user_id AND s.ends_at > clock_timestamp() ORDER BY s.id FOR UPDATE);
    UPDATE account_session AS s SET ends_at = clock_timestamp(), ended_because = p_because WHERE s.id = ANY (v_ids);
    RETURN cardinality(v_ids);
END
$function$;
REVOKE ALL ON FUNCTION public.end_sessions_v1(bigint, text) FROM PUBLIC;
