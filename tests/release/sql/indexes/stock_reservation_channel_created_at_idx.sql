CREATE INDEX CONCURRENTLY stock_reservation_channel_created_at_idx
    ON public.stock_reservation (channel, created_at);
