SELECT expire_reservations_v1(50);
