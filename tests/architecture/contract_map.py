"""Which tests hold which section of docs/contract.md, and what is not built yet.

A name is a test module under tests/, or `module::test` for one test in it.
"""

HELD_BY: dict[str, tuple[str, ...]] = {
    "1.1": (
        "unit/test_idle.py",
        "endtoend/test_cli_run.py",
        "endtoend/test_kill.py",
        "engine/test_orchestrator.py::test_a_drain_waits_for_the_grace_and_then_ends_what_still_runs",
    ),
    "1.2": ("endtoend/test_cli_run.py", "endtoend/test_cli.py"),
    "1.3": ("endtoend/test_cli.py",),
    "1.4": ("unit/test_logging.py", "endtoend/test_cli_run.py"),
    "2.1": ("unit/test_workflow_loader.py", "unit/test_workflow_properties.py"),
    "2.2": ("unit/test_workflow_loader.py",),
    "2.3": (
        "unit/test_settings.py",
        "unit/test_workflow_template.py",
        "unit/test_notice.py",
        "engine/test_notifier.py",
        "contract/test_notifier.py",
        "endtoend/test_notify.py",
    ),
    "2.4": (
        "contract/test_workflow.py",
        "unit/test_workflow_file.py",
        "endtoend/test_changes_midrun.py::test_an_edit_of_the_workflow_takes_effect_without_a_restart",
        "endtoend/test_changes_midrun.py::test_a_broken_workflow_is_shown_and_the_last_good_one_stays",
        "unit/test_workflow_report.py",
        "web/test_workflow_page.py",
    ),
    "2.5": ("unit/test_prompt_render.py", "unit/test_prompt_turns.py", "engine/test_workflow_desk.py"),
    "3.1": ("unit/test_issue_file.py", "contract/test_tracker.py"),
    "3.2": ("unit/test_issue_file.py", "contract/test_tracker.py"),
    "3.3": ("contract/test_tracker.py", "unit/test_decide_reconcile.py"),
    "3.4": ("contract/test_tracker.py",),
    "3.5": ("contract/test_tracker.py", "unit/test_keys.py", "web/test_editor_page.py"),
    "4.1": (
        "unit/test_eligibility.py",
        "unit/test_picture.py",
        "unit/test_explain.py",
        "unit/test_explain_anything.py",
        "unit/test_explain_anything.py",
        "web/test_explain.py",
        "endtoend/test_cli_explain.py",
    ),
    "4.2": ("unit/test_order.py",),
    "4.3": ("unit/test_decide_dispatch.py", "unit/test_decide_machine.py"),
    "4.4": ("unit/test_decide_ending.py", "engine/test_attempt.py", "engine/test_runaways.py"),
    "4.5": ("unit/test_decide_ending.py", "unit/test_order.py", "unit/test_restore.py"),
    "4.6": ("unit/test_decide_reconcile.py", "engine/test_attempt.py"),
    "4.7": ("unit/test_decide_reconcile.py", "endtoend/test_changes_midrun.py"),
    "4.8": (
        "engine/test_attempt.py::test_a_failing_handoff_stays_open_and_is_made_good_later",
        "engine/test_orchestrator.py::test_discard_deletes_undelivered_work_and_only_when_asked",
        "contract/test_workspaces.py",
        "unit/test_workspace_safety.py",
        "engine/test_restart.py",
        "endtoend/test_restart.py",
    ),
    "4.9": ("unit/test_budget.py", "engine/test_runaways.py", "endtoend/test_runaways.py"),
    "4.10": (
        "unit/test_retention.py",
        "unit/test_low_disk.py",
        "unit/test_images_kept.py",
        "unit/test_log_sizes.py",
        "contract/test_storage.py",
        "engine/test_retention.py",
        "endtoend/test_gc.py",
        "web/test_disk.py",
    ),
    "5.1": ("contract/test_session.py", "unit/test_agent_wire.py"),
    "5.2": ("contract/test_session.py", "engine/test_attempt.py", "endtoend/test_bad_agents.py"),
    "5.3": ("unit/test_prompt_turns.py", "engine/test_attempt.py"),
    "5.4": ("unit/test_agent_usage.py",),
    "5.5": ("unit/test_prompt_turns.py", "engine/test_orchestrator.py"),
    "6.1": ("contract/test_mcp_endpoint.py", "contract/test_mcp_socket.py", "web/test_agent_endpoint.py"),
    "6.2": (
        "contract/test_mcp_endpoint.py",
        "engine/test_attempt.py",
        "engine/test_checks.py",
        "endtoend/test_checkouts.py",
    ),
    "6.3": ("contract/test_mcp_endpoint.py", "engine/test_attempt.py", "contract/test_store.py"),
    "6.4": (
        "contract/test_mcp_endpoint.py",
        "engine/test_attempt.py::test_a_proposed_issue_rests_until_a_person_approves_it",
    ),
    "7.1": (
        "web/test_api.py",
        "unit/test_api_json.py",
        "web/test_openapi.py",
        "web/test_fuzz.py",
        "web/test_bad_input.py",
        "web/test_metrics.py",
    ),
    "7.2": ("web/test_guards.py", "web/test_listener.py", "web/test_login.py"),
    "7.3": (
        "web/test_home.py",
        "web/test_live.py",
        "web/test_inbox_page.py",
        "browser/test_board.py",
        "browser/test_editor.py",
        "browser/test_inbox.py",
    ),
    "8": ("unit/test_workspace_hooks.py", "engine/test_attempt.py"),
    "9.1": (
        "endtoend/test_handoff.py",
        "endtoend/test_handoff_property.py",
        "endtoend/test_hostile_git.py",
        "endtoend/test_main_job.py",
    ),
}

NOT_BUILT_YET: dict[str, str] = {
    "9.2": "pull requests; asking for one is refused with its reason at start",
}

PARTLY_BUILT: dict[str, str] = {
    "2.3": "pull requests are accepted, and refused at start",
    "6.4": "transition comes with the agents that use several states",
}
