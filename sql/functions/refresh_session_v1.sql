-- refresh_session_v1: use a refresh token once, and put the next of its session in its place.
-- Locks:   the token's row; of many callers with one token the first uses it, and the others then see that it is used.
-- Raises:  HR001 the digest of the next token is no SHA-256, or its time to live is not positive.
-- Returns: outcome refreshed, with the user;
--          already_used, the token was used at most p_grace_s ago: a client that asked twice, so the session lives on;
--          reused, it was used before that: somebody has a copy, so the session ends here, for both;
--          ended, the session is over, the token rested too long, or the user is inactive; or unknown.
-- Used by: service/accounts/sessions.py.
CREATE FUNCTION public.refresh_session_v1(
    p_digest bytea, p_next bytea, p_ttl_s integer, p_grace_s integer,
    OUT outcome text, OUT user_id bigint, OUT session_id bigint
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- A plan is kept for the session's life; made while the table was new, it would read all of it later (docs/adr/0019).
SET enable_seqscan = off
AS $function$
DECLARE
    v_ends_at timestamptz;
    v_used_at timestamptz;
    v_is_over boolean;
BEGIN
    IF p_next IS NULL OR octet_length(p_next) <> 32 THEN
        RAISE EXCEPTION 'the digest has % bytes; a SHA-256 has 32', octet_length(p_next) USING ERRCODE = 'HR001';
    ELSIF p_ttl_s IS NULL OR p_ttl_s < 1 THEN
        RAISE EXCEPTION 'the time to live is % s; it must be positive', p_ttl_s USING ERRCODE = 'HR001';
    END IF;
    UPDATE account_refresh_token AS t
       SET used_at = clock_timestamp()
      FROM account_session AS s
      JOIN account_user AS u ON u.id = s.user_id
     WHERE t.digest = p_digest AND t.used_at IS NULL AND t.expires_at > clock_timestamp()
       AND s.id = t.session_id AND s.ends_at > clock_timestamp() AND u.is_active
    RETURNING s.user_id, s.id, s.ends_at INTO user_id, session_id, v_ends_at;
    IF FOUND THEN
        outcome := 'refreshed';
        INSERT INTO account_refresh_token (session_id, digest, expires_at)
        VALUES (refresh_session_v1.session_id, p_next,
                least(clock_timestamp() + p_ttl_s * interval '1 second', v_ends_at));
        RETURN;
    END IF;
    SELECT s.user_id, s.id, t.used_at, s.ends_at <= clock_timestamp() OR t.expires_at <= clock_timestamp()
      INTO user_id, session_id, v_used_at, v_is_over
      FROM account_refresh_token AS t
      JOIN account_session AS s ON s.id = t.session_id
     WHERE t.digest = p_digest;
    IF NOT FOUND THEN
        outcome := 'unknown';
    ELSIF v_is_over OR v_used_at IS NULL THEN
        outcome := 'ended';
    ELSIF v_used_at > clock_timestamp() - p_grace_s * interval '1 second' THEN
        outcome := 'already_used';
    ELSE
        outcome := 'reused';
        UPDATE account_session AS s SET ends_at = clock_timestamp(), ended_because = 'reuse'
         WHERE s.id = refresh_session_v1.session_id AND s.ends_at > clock_timestamp();
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.refresh_session_v1(bytea, bytea, integer, integer) FROM PUBLIC;
