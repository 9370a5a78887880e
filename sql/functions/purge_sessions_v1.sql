-- purge_sessions_v1: delete refresh tokens that have expired, and sessions that ended a week ago with all they have.
-- Locks:   the deleted rows; rows that another purge has locked are passed over.
-- Raises:  HR001 the limit is out of its range.
-- Returns: how many rows were deleted; fewer than the limit means that nothing is left to delete.
-- Used by: service/accounts/sessions.py.
CREATE FUNCTION public.purge_sessions_v1(p_limit integer)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    -- So that one can still see why a session ended.
    c_kept CONSTANT interval := interval '7 days';
    v_ids bigint[];
    v_tokens integer;
    v_more integer;
BEGIN
    IF p_limit IS NULL OR p_limit NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'the limit is %; 1 to 10000 are allowed', p_limit USING ERRCODE = 'HR001';
    END IF;
    v_ids := ARRAY(SELECT t.id FROM account_refresh_token AS t WHERE t.expires_at < clock_timestamp()
                    ORDER BY t.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED);
    DELETE FROM account_refresh_token AS t WHERE t.id = ANY (v_ids);
    v_tokens := cardinality(v_ids);
    v_ids := ARRAY(SELECT s.id FROM account_session AS s WHERE s.ends_at < clock_timestamp() - c_kept
                    ORDER BY s.ends_at LIMIT p_limit - v_tokens FOR UPDATE SKIP LOCKED);
    DELETE FROM account_refresh_token AS t WHERE t.session_id = ANY (v_ids);
    GET DIAGNOSTICS v_more = ROW_COUNT;
    DELETE FROM account_session AS s WHERE s.id = ANY (v_ids);
    RETURN v_tokens + v_more + cardinality(v_ids);
END
$function$;
REVOKE ALL ON FUNCTION public.purge_sessions_v1(integer) FROM PUBLIC;
