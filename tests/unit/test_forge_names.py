"""How repositories on forges are named, and which remote leads to which."""

import pytest

from symphony.core.forge import ForgeKind, ForgeRepo, RepoInvalid, kind_of, parse_repo, repo_of_remote


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("owner/name", "", "owner/name"),
        ("group/sub/name", "", "group/sub/name"),
        ("Forge.Example/owner/name.js", "forge.example", "owner/name.js"),
        ("127.0.0.1:8443/owner/name", "127.0.0.1:8443", "owner/name"),
        ("my.group/name", "", "my.group/name"),
    ],
)
def test_a_repository_is_named_with_or_without_its_host(text: str, host: str, path: str):
    assert parse_repo(text) == ForgeRepo(host, path)


@pytest.mark.parametrize(
    "text", ["", "name", "owner/", "/name", "a/../b", "a b/c", "a/b\n", "https://h/o/n", "-"]
)
def test_what_names_no_repository_is_refused_in_words(text: str):
    with pytest.raises(RepoInvalid, match=r"which names no repository\. Write `owner/name`, or") as caught:
        parse_repo(text)
    assert caught.value.code == "forge.repo_invalid"


@pytest.mark.parametrize(
    ("url", "repo"),
    [
        ("https://github.com/owner/name.git", "github.com/owner/name"),
        ("https://user:secret@GitHub.com/owner/name/", "github.com/owner/name"),
        ("http://127.0.0.1:8080/owner/name.git", "127.0.0.1:8080/owner/name"),
        ("git@gitlab.com:group/sub/name.git", "gitlab.com/group/sub/name"),
        ("ssh://git@forge.example:2222/owner/name.git", "forge.example/owner/name"),
        ("/srv/git/name.git", None),
        ("file:///srv/git/name.git", None),
        ("../name.git", None),
        ("https://github.com/name", None),
        ("ext::sh -c 'x' owner/name", None),
    ],
)
def test_a_remotes_url_leads_to_a_repository_or_to_none(url: str, repo: str | None):
    found = repo_of_remote(url)
    assert (None if found is None else str(found)) == repo


def test_the_kind_of_a_forge_is_told_by_its_host_unless_the_workflow_says_it():
    assert kind_of("github.com", None) is ForgeKind.GITHUB
    assert kind_of("gitlab.example", None) is ForgeKind.GITLAB
    assert kind_of("code.example", None) is ForgeKind.GITHUB
    assert kind_of("code.example", "gitlab") is ForgeKind.GITLAB
