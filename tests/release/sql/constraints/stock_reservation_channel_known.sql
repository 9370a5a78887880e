ALTER TABLE public.stock_reservation ADD CONSTRAINT stock_reservation_channel_known
    CHECK (channel IN ('web', 'fair')) NOT VALID;
