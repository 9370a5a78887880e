-- open_session_v1: begin a session of a user who has proved the password, with its first refresh token.
-- Locks:   the rows that it writes; the user's, against being deleted.
-- Raises:  HR001 a time to live is not positive, or the digest is no SHA-256; 23503 there is no such user.
-- Returns: the session's id.
-- Used by: service/accounts/sessions.py.
CREATE FUNCTION public.open_session_v1(p_user_id bigint, p_digest bytea, p_ttl_s integer, p_session_ttl_s integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_ends_at timestamptz;
    v_session_id bigint;
BEGIN
    IF p_digest IS NULL OR octet_length(p_digest) <> 32 THEN
        RAISE EXCEPTION 'the digest has % bytes; a SHA-256 has 32', octet_length(p_digest) USING ERRCODE = 'HR001';
    ELSIF p_ttl_s IS NULL OR p_session_ttl_s IS NULL OR least(p_ttl_s, p_session_ttl_s) < 1 THEN
        RAISE EXCEPTION 'the times to live are % s and % s; both must be positive', p_ttl_s, p_session_ttl_s
              USING ERRCODE = 'HR001';
    END IF;
    v_ends_at := v_now + p_session_ttl_s * interval '1 second';
    INSERT INTO account_session (user_id, created_at, ends_at, ended_because)
    VALUES (p_user_id, v_now, v_ends_at, '')
    RETURNING id INTO v_session_id;
    INSERT INTO account_refresh_token (session_id, digest, expires_at)
    VALUES (v_session_id, p_digest, least(v_now + p_ttl_s * interval '1 second', v_ends_at));
    RETURN v_session_id;
END
$function$;
REVOKE ALL ON FUNCTION public.open_session_v1(bigint, bytea, integer, integer) FROM PUBLIC;
