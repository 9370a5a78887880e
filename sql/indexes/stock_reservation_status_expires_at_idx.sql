-- Holds that are due, for the sweeper. The report's index 2.
CREATE INDEX CONCURRENTLY stock_reservation_status_expires_at_idx ON public.stock_reservation (status, expires_at);
