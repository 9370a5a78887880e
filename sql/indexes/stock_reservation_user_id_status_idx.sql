-- Reservations of one buyer by state. The report's index 3.
CREATE INDEX CONCURRENTLY stock_reservation_user_id_status_idx ON public.stock_reservation (user_id, status);
