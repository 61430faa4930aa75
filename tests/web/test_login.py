"""Signing in: the cookie proves the token, guessing is slowed, and no path leads elsewhere."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from symphony.web.errors import Refusal
from symphony.web.listener import Bounds, open_listener
from symphony.web.login import own_path
from symphony.web.patience import ADDRESSES, TRIES, WINDOW_S, Patience
from tests.web.support import Answer, Client, Daemon, Door, surface_of

TOKEN = "sécret token"


@pytest.fixture
async def closed(daemon: Daemon, door: Door) -> AsyncIterator[Client]:
    bounds = Bounds(close_s=0.1)
    surface = surface_of(daemon, door)
    async with open_listener(surface, host="127.0.0.1", port=0, token=TOKEN, bounds=bounds) as listener:
        yield Client(listener.port)


async def sign_in(client: Client, token: str, **headers: str) -> Answer:
    body = f"token={quote(token)}&next=%2Finbox".encode()
    origin = {"Origin": f"http://127.0.0.1:{client.port}", **headers}
    form = "application/x-www-form-urlencoded"
    return await client.ask("POST", "/login", raw=body, Content_Type=form, **origin)


async def test_a_page_leads_to_the_login_and_back(closed: Client) -> None:
    answer = await closed.ask("GET", "/states/Todo?page=2")
    assert answer.status == 303
    assert answer.headers["location"] == "/login?next=%2Fstates%2FTodo%3Fpage%3D2"
    page = await closed.ask("GET", answer.headers["location"])
    assert 'name="next" value="/states/Todo?page=2"' in page.body.decode()


async def test_the_right_token_gives_a_cookie_that_opens_pages_and_api(closed: Client) -> None:
    answer = await sign_in(closed, TOKEN)
    assert (answer.status, answer.headers["location"]) == (303, "/inbox")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    session = cookie.split(";")[0]
    assert (await closed.ask("GET", "/", Cookie=session)).status == 200
    assert (await closed.ask("GET", "/api/v1/state", Cookie=session)).status == 200
    assert (await closed.ask("GET", "/", Cookie=session + "0")).status == 303


async def test_a_wrong_token_is_told_and_after_some_of_them_nobody_gets_in(closed: Client) -> None:
    for _ in range(TRIES):
        answer = await sign_in(closed, "wrong")
        assert answer.status == 401
        assert "That is not the token." in answer.body.decode()
    answer = await sign_in(closed, TOKEN)
    assert answer.status == 429
    assert "Wrong tokens came in too often; try again in " in answer.body.decode()
    assert int(answer.headers["retry-after"]) <= WINDOW_S


async def test_a_guessed_bearer_token_counts_as_well_and_a_cookie_opens_all_the_same(closed: Client) -> None:
    session = (await sign_in(closed, TOKEN)).headers["set-cookie"].split(";")[0]
    for _ in range(TRIES):
        assert (await closed.ask("GET", "/api/v1/state", Authorization="Bearer wrong")).status == 401
    assert (await closed.ask("GET", "/api/v1/state", Authorization="Bearer wrong")).status == 429
    assert (await closed.ask("GET", "/api/v1/state", Cookie=session)).status == 200


def test_patience_comes_back_when_the_window_is_over_and_is_with_each_address() -> None:
    now = [0.0]
    patience = Patience(lambda: now[0])
    for _ in range(TRIES):
        patience.wrong("a")
    with pytest.raises(Refusal, match="try again in 60 seconds"):
        patience.check("a")
    patience.check("b")
    now[0] = WINDOW_S
    patience.check("a")


def test_addresses_are_forgotten_before_they_fill_the_memory() -> None:
    patience = Patience(lambda: 0.0)
    for number in range(ADDRESSES + 5):
        patience.wrong(str(number))
    assert len(patience._wrong) == ADDRESSES


async def test_a_form_of_a_thousand_fields_is_refused(closed: Client) -> None:
    form = "application/x-www-form-urlencoded"
    origin = f"http://127.0.0.1:{closed.port}"
    many = b"a=1&" * 1_000
    answer = await closed.ask("POST", "/login", raw=many, Content_Type=form, Origin=origin)
    assert answer.status == 400
    answer = await closed.ask(
        "POST", "/login", raw=b"token=" + b"x" * 5_000, Content_Type=form, Origin=origin
    )
    assert answer.status == 413
    assert "The form is larger than 4,096 bytes." in answer.body.decode()


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\", "", "/a\r\nX: y", "javascript:1"],
)
def test_the_way_back_stays_on_this_server(path: str) -> None:
    assert own_path(path) == "/"


async def test_styles_and_the_login_need_no_token_and_the_stream_does(closed: Client) -> None:
    page = (await closed.ask("GET", "/login")).body.decode()
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert (await closed.ask("GET", style)).status == 200
    assert (await closed.ask("GET", "/live?show=header")).status == 401
    assert (await closed.ask("GET", "/issues/7/live")).status == 401
    assert (await closed.ask("GET", "/issues/7/live?poll=1", HX_Request="true")).status == 401


async def test_signing_out_takes_the_cookie_back(closed: Client) -> None:
    session = (await sign_in(closed, TOKEN)).headers["set-cookie"].split(";")[0]
    form = "application/x-www-form-urlencoded"
    origin = f"http://127.0.0.1:{closed.port}"
    answer = await closed.ask("POST", "/logout", raw=b"", Content_Type=form, Origin=origin, Cookie=session)
    assert answer.status == 303
    assert f'symphony_session_{closed.port}=""' in answer.headers["set-cookie"]


async def test_a_script_that_asks_without_a_token_is_told_where_to_sign_in(closed: Client) -> None:
    answer = await closed.ask("POST", "/pause", raw=b"", HX_Request="true")
    assert answer.status == 401
    assert "You are signed out: sign in at /login in another tab" in answer.body.decode()
