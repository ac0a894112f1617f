"""Tables of complaints and ratings. Import models from here."""

from booking.feedback.models.complaint import Complaint, ComplaintEntry
from booking.feedback.models.rating import Rating, RatingSheet

__all__ = ["Complaint", "ComplaintEntry", "Rating", "RatingSheet"]
