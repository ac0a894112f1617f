"""Sites by words. ``find`` answers, ``words`` and ``pinyin`` make terms, ``corrections`` mends what was mistyped."""
