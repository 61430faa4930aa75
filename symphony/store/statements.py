"""The SQL of the store's reads and longer writes; columns in the order in which `rows` has them."""

READ_RECORDS = (
    "SELECT issue_id, claim, claim_detail, failures, failure_reasons, paused, attempts, usage, last_handoff, "
    "access, budget, passage, guard FROM issue_records"
)
PUT_RECORD = "INSERT OR REPLACE INTO issue_records VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
READ_PASSAGE = "SELECT passage FROM issue_records WHERE issue_id = ?"
PUT_PASSAGE = (
    "INSERT INTO issue_records (issue_id, passage) VALUES (?, ?) "
    "ON CONFLICT (issue_id) DO UPDATE SET passage = excluded.passage"
)
PUT_LAST_HANDOFF = (
    "INSERT INTO issue_records (issue_id, last_handoff) VALUES (?, ?) "
    "ON CONFLICT (issue_id) DO UPDATE SET last_handoff = excluded.last_handoff"
)

READ_META = "SELECT key, value FROM meta"
READ_INSTALLATION = "SELECT value FROM meta WHERE key = 'installation_id'"
PUT_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"

READ_ATTEMPTS_OF_ISSUE = (
    "SELECT id, issue_id, number, adapter, sandbox, started_at, ended_at, outcome, message, turns, "
    "session_id, state, model, totals FROM attempts LEFT JOIN usage ON attempt_id = id "
    "WHERE issue_id = ? ORDER BY seq"
)
READ_INTERRUPTED = (
    "SELECT id, issue_id, number, adapter, sandbox, started_at, ended_at, outcome, message, turns, "
    "session_id, state, model, totals FROM attempts LEFT JOIN usage ON attempt_id = id "
    "WHERE ended_at IS NULL ORDER BY seq"
)
FIND_ATTEMPT = "SELECT ended_at FROM attempts WHERE id = ?"
ADD_ATTEMPT = (
    "INSERT INTO attempts (id, issue_id, number, adapter, sandbox, started_at, ended_at, outcome, message, "
    "turns, session_id, state, model) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
END_ATTEMPT = "UPDATE attempts SET ended_at = ?, outcome = ?, message = ?, turns = ? WHERE id = ?"
NAME_SESSION = "UPDATE attempts SET session_id = ?, model = ?, sandbox = ? WHERE id = ?"
NOTE_TURNS = "UPDATE attempts SET turns = ? WHERE id = ?"
READ_USAGE = "SELECT totals FROM usage"
READ_USAGE_BY_ISSUE = "SELECT issue_id, totals FROM attempts JOIN usage ON attempt_id = id ORDER BY seq"
PUT_USAGE = "INSERT OR REPLACE INTO usage VALUES (?, ?)"

READ_STEERING_OF_ISSUE = (
    "SELECT id, issue_id, attempt_id, question, context, asked_at, reply, replied_at "
    "FROM steering WHERE issue_id = ? ORDER BY seq"
)
READ_OPEN_STEERING = (
    "SELECT id, issue_id, attempt_id, question, context, asked_at, reply, replied_at "
    "FROM steering WHERE reply IS NULL ORDER BY seq"
)
READ_UNUSED_STEERING = (
    "SELECT id, issue_id, attempt_id, question, context, asked_at, reply, replied_at "
    "FROM steering WHERE used_at IS NULL ORDER BY seq"
)
READ_STEERING = (
    "SELECT id, issue_id, attempt_id, question, context, asked_at, reply, replied_at "
    "FROM steering WHERE id = ?"
)
FIND_LATEST_STEERING = (
    "SELECT id, issue_id, attempt_id, question, context, asked_at, reply, replied_at, used_at "
    "FROM steering WHERE issue_id = ? ORDER BY seq DESC LIMIT 1"
)
FIND_OPEN_STEERING = "SELECT 1 FROM steering WHERE issue_id = ? AND reply IS NULL"
FIND_STEERING = "SELECT 1 FROM steering WHERE id = ?"
ADD_STEERING = (
    "INSERT INTO steering (id, issue_id, attempt_id, question, context, asked_at, reply, replied_at) "
    "VALUES (?,?,?,?,?,?,?,?)"
)
REPLY = "UPDATE steering SET reply = ?, replied_at = ? WHERE issue_id = ? AND reply IS NULL"
USE_REPLY = "UPDATE steering SET used_at = coalesce(used_at, ?) WHERE id = ? AND reply IS NOT NULL"

READ_ACCEPTED = (
    "SELECT issue_id, attempt_id, title, summary, accepted_at, from_state, to_state, receipt "
    "FROM completions WHERE state = 'accepted' ORDER BY seq"
)
READ_HANDOFFS = (
    "SELECT issue_id, attempt_id, title, delivered_at, handoff FROM completions "
    "WHERE state = 'delivered' AND handoff IS NOT NULL ORDER BY delivered_at DESC, seq DESC LIMIT ?"
)
READ_HANDOFF_OF_ISSUE = (
    "SELECT issue_id, attempt_id, title, delivered_at, handoff FROM completions "
    "WHERE issue_id = ? AND state = 'delivered' AND handoff IS NOT NULL ORDER BY seq DESC LIMIT 1"
)
FIND_COMPLETION = (
    "SELECT issue_id, attempt_id, title, summary, accepted_at, from_state, to_state, receipt "
    "FROM completions WHERE attempt_id = ? AND state <> 'withdrawn'"
)
FIND_COMPLETION_STATE = "SELECT state FROM completions WHERE attempt_id = ? AND state <> 'withdrawn'"
FIND_OPEN_COMPLETION = "SELECT attempt_id FROM completions WHERE issue_id = ? AND state = 'accepted'"
ADD_COMPLETION = (
    "INSERT INTO completions (issue_id, attempt_id, title, summary, accepted_at, from_state, to_state, "
    "state) VALUES (?,?,?,?,?,?,?,'accepted')"
)
ADD_DELIVERED = (
    "INSERT INTO completions (issue_id, attempt_id, title, summary, accepted_at, from_state, to_state, "
    "state, handoff, delivered_at) VALUES (?,?,?,?,?,?,?,'delivered',?,?)"
)
ATTACH_RECEIPT = "UPDATE completions SET receipt = ? WHERE attempt_id = ? AND state = 'accepted'"
WITHDRAW = (
    "UPDATE completions SET state = 'withdrawn' WHERE issue_id = ? AND attempt_id = ? AND state = 'accepted'"
)
DELIVER = (
    "UPDATE completions SET state = 'delivered', handoff = ?, delivered_at = ? "
    "WHERE attempt_id = ? AND state = 'accepted'"
)

READ_OPEN_INTENTS = (
    "SELECT id, at, issue_id, attempt_id, action, detail FROM journal WHERE result IS NULL ORDER BY id"
)
FIND_INTENT = "SELECT result FROM journal WHERE id = ?"
ADD_INTENT = "INSERT INTO journal (at, issue_id, attempt_id, action, detail) VALUES (?,?,?,?,?)"
END_INTENT = "UPDATE journal SET ended_at = ?, result = ?, result_detail = ? WHERE id = ?"
PRUNE_JOURNAL = "DELETE FROM journal WHERE id <= ? AND result IS NOT NULL"

READ_AUDIT = "SELECT at, issue_id, decision, reason FROM audit WHERE issue_id IS ? ORDER BY n DESC LIMIT ?"
FIND_LAST_AUDIT = "SELECT n FROM audit WHERE issue_id IS ? ORDER BY n DESC LIMIT 1"
ADD_AUDIT = "INSERT INTO audit (issue_id, n, at, decision, reason) VALUES (?,?,?,?,?)"
PRUNE_AUDIT = "DELETE FROM audit WHERE issue_id IS ? AND n <= ?"

READ_TOLD = "SELECT target, key FROM told"
ADD_TOLD = "INSERT OR IGNORE INTO told VALUES (?, ?)"
FORGET_TOLD = "DELETE FROM told WHERE target = ? AND key = ?"
