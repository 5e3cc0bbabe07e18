"""How good completions are, measured on real code: holes to fill, and what all measurements share.

A *hole* is a span removed from a file of a repository; the server's own pipeline fills it, and the text that
stood there is the judge. The way of a measurement::

    project   the files that the server would index, read once; one of them at a time with its hole open
    holes     which spans to remove, by syntax, the same for the same seed
    runner    every variant (model and context) completes every hole; answers are kept as they come
    scores    one answer against the text that stood there
    gates     the same answers judged again at every threshold of the gate
    summary   figures with confidence intervals, differences, what to set
    report    all of it as one page

Only `scores` and `plots` need the extra ``reports``.
"""
