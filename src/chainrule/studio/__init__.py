"""The studio: a page in the browser that opens runs and shows what their kinds allow.

Each panel is a file with `suits`, whether it is for a run, and `build`, which lays it out. What a panel computes is a
call of a public verb. Nothing is kept between users but the opened runs, which are read only.
"""
