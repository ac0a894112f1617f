"""Standing bookings (长期预约): lunch every weekday until June, in one request; later dates are booked as they open."""
