"""What residents say about services: complaints (投诉) with a deadline and an answer, ratings (评价) at five levels."""
