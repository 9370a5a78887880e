-- Dead letters, for the command outbox and for whoever counts them. It is empty on a good day.
CREATE INDEX CONCURRENTLY stock_outbox_dead_idx ON public.stock_outbox (id)
    WHERE dead_at IS NOT NULL;
