-- Settings of the roles that requests come as: PgBouncer in transaction mode keeps none of a session. The same as of the
-- local stack's kit (tuning/stack/profiles.py); a unit test compares them.
-- A waiter for the hot row gives up long before its client does; a lost client holds nothing.
ALTER ROLE hotrow_app SET lock_timeout = '2s';
ALTER ROLE hotrow_app SET statement_timeout = '10s';
ALTER ROLE hotrow_app SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE hotrow_admin SET lock_timeout = '2s';
ALTER ROLE hotrow_admin SET statement_timeout = '10s';
ALTER ROLE hotrow_admin SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE hotrow_readonly SET lock_timeout = '2s';
ALTER ROLE hotrow_readonly SET statement_timeout = '10s';
ALTER ROLE hotrow_readonly SET idle_in_transaction_session_timeout = '10s';
