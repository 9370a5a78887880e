-- Checkouts that are not over, by when they are due: as small as the number of payments under way.
CREATE INDEX CONCURRENTLY checkout_due_idx ON public.checkout (next_attempt_at)
    WHERE step IN ('authorising', 'confirming', 'voiding', 'releasing');
