"""The demo agent: a real ACP agent without a model, which follows instructions written in an issue.

Started as `python -m symphony.agent.demo`, and in a guest as one file; chosen with
`acp.adapter: demo`. It needs no key and no network, and of Python 3.9 or later the standard library
alone: nothing else of symphony may be imported here. It says what it is in its first message. An
issue tells it what to do, anywhere in its text and in any order, by:

    Test: python -m unittest -q         how the project is tested; else it looks for tests itself
    Ask: Which greeting is wanted?      asked before any work; the answer stands for @REPLY@
    Transition: Review                  the state that the issue goes to when all is done; a
                                        workflow's prompt says it, in a branch by `issue.state`

and by fenced blocks, of which each changes files when the issue is worked on:

    ```diff                             a unified diff, applied with `git apply`
    ```file path/to/file                the whole content of a file
    ```python path/to/file.py           the same, with any language's name
    ```replace path/to/file             one or more replacements in a file:
    <<<<
    the old text, which must be there exactly once
    ====
    the new text
    >>>>
    ```
    ```sh test                          the same as `Test:`, in several lines

It runs the tests, looks up the functions that the issue names (as `total()`, in backquotes), makes
the changes, runs the tests again, commits with the issue's title as subject, and calls `mark_done`, or
`transition` with what it did as notes.
When something does not fit (no instructions, an old text that is not there, tests that fail after
the change) it says so and asks a person through `request_human_steering`; a reply may bring new
blocks.
It reports no tokens and no cost, since there are none.
"""
