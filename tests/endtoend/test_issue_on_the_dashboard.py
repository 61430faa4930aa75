"""An issue's page over a real daemon: its timeline, its branch, its files, and forms that reach the agent."""

import re
from urllib.parse import quote

from symphony.core.keys import workspace_key

ASKS = "---\nid: {id!r}\ntitle: Choose\n---\nAsk: Tabs?\n\n```python choice.py\nCHOICE = '@REPLY@'\n```\n"


async def test_a_question_is_answered_on_the_page_and_the_work_is_shown(project_with):
    project = project_with("trivial")
    project.configure(acp={"command": None, "adapter": "demo"})
    issue_id = "50% ü?#"
    key, at = workspace_key(issue_id), f"/issues/{quote(issue_id, safe='')}"
    async with project.daemon() as daemon:
        project.drop("odd", ASKS.format(id=issue_id))
        await daemon.until(lambda: any(line["kind"] == "question" for line in project.log(key)))
        page = await daemon.page(at)
        question = re.search(r'name="question" value="([^"]+)"', page)
        assert question is not None
        assert "Nothing of its branch" in await daemon.page(f"{at}/diff")

        form = {"question": question[1], "text": "four <b>"}
        page = await daemon.page(f"{at}/reply", form, **{"HX-Request": "true"})
        assert "is kept; its agent gets it now." in page
        await daemon.until(lambda: project.state_of("odd") == "Done")
        await daemon.until(lambda: any(line["kind"] == "ended" for line in project.log(key)))

        page = await daemon.page(at)
        assert f"git am {project.patch(key)}" in page
        assert "delivered after" in page
        assert "four &lt;b&gt;" in page
        diff = await daemon.page(f"{at}/diff")
        assert '<span class="added">+CHOICE = &#39;four &lt;b&gt;&#39;' in diff
        assert await daemon.page(f"{at}/raw/patch") == project.patch(key).read_text()
        assert (await daemon.page(f"{at}/raw/issue")).startswith("---\nid:")
        log = (project.root / ".symphony/logs" / f"{key}.jsonl").read_text()
        assert await daemon.page(f"{at}/raw/log") == log
