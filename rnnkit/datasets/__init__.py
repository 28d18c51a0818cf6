"""One file a data set: what it is, where it comes from, and how it becomes sequences.

`formats` reads files of one's own, `generated` makes data from a seed, `store` fetches what is not there and checks it.
"""
