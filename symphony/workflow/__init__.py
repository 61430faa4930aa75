"""WORKFLOW.md: read, check, keep the last known good, and render its prompt [CONTRACT 2].

`loader` reads the file, `file` follows it while the daemon runs, `prompt` renders the template
for an attempt, `continuation` words the later turns, `template` writes the reference page.
Nothing here watches the disk: the app calls `WorkflowFile.reload` when a watcher says so.
"""
