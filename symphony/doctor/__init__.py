"""What keeps symphony from working here: one check for each thing that it needs.

Like `app` it knows every room; it starts no daemon and changes nothing.
"""
