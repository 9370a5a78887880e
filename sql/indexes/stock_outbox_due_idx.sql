-- Events that are to be delivered, for the relay. What was delivered or is a dead letter is not in it.
CREATE INDEX CONCURRENTLY stock_outbox_due_idx ON public.stock_outbox (next_attempt_at, id)
    WHERE delivered_at IS NULL AND dead_at IS NULL;
