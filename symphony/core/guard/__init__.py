"""What must not pass unseen in an agent's tool calls and in its work: pure detectors, bounded in time.

`secrets`, `commands`, `paths` and `injection` each find one kind of thing in a text; `call` and `patch` say
where to look. Nothing here decides what follows, and nothing here keeps what it has read.
"""
