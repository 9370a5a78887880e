-- Open holds by deadline, for the sweeper and for reservations that need the units of due holds. The report's index 2
-- without what is over: it stays as small as the number of open holds (docs/adr/0010).
CREATE INDEX CONCURRENTLY stock_reservation_due_idx ON public.stock_reservation (expires_at)
    WHERE status IN ('held', 'paying');
