CREATE INDEX CONCURRENTLY stock_reservation_channel_idx ON public.stock_reservation (channel) WHERE channel <> 'web';
