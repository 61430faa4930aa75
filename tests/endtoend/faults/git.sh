#!/bin/sh
# Stands before git on PATH. A command that was not met before is ended by a signal, as the file `mode`
# beside this one says: before it did anything, in its first write to a file, or when all was done.
# Of one attempt no more than one command is ended, so that each is seen alone.
here=$(dirname "$0")
git=$(cat "$here/real")
attempt=$(cat "$(cat "$here/logs")"/*.jsonl 2>/dev/null | grep -c '"ended"')
# what differs from one call to the next is no other command: ids, times, folders, numbers of issues
shown=$(printf '%s ' "$@" | sed -e 's/-c [^ ]* //g' -e 's/[0-9a-f]\{40\}/ID/g' -e 's,/[^ ]*,PATH,g' \
    -e 's/Symphony-\([A-Za-z]*\): [^ ]*/\1/g')
name=$(printf '%s' "$shown" | cksum | tr ' ' -)
if [ -e "$here/met/$name" ] || ! mkdir "$here/attempts/$attempt" 2>/dev/null; then
    exec "$git" "$@"
fi
printf '%s' "$shown" >"$here/met/$name"
case $(cat "$here/mode") in
before)
    kill -KILL $$
    ;;
writing)
    (ulimit -c 0 && ulimit -f 0 && exec "$git" "$@")
    status=$?
    if [ $status -gt 128 ]; then
        kill -KILL $$
    fi
    # one that writes no file was not disturbed
    [ $status -eq 128 ] || rmdir "$here/attempts/$attempt"
    exit $status
    ;;
after)
    "$git" "$@"
    kill -KILL $$
    ;;
esac
