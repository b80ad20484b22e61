"""Tools about the repository rather than of it: how much of it the tests run, and what they notice.

They copy the working tree and run the suite on the copy, so that nothing here is ever touched.
"""
