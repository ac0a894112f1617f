"""Who may book, from which places, how often, and what it costs: pure, told what is known of a person.

A measure's special rule (a subsidy, a referral) is one more entry in one of these tables, and data in ``offering.rules``;
the engine does not change.
"""
