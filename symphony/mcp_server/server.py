"""The SDK's server with symphony's tools in it: one per dispatch, the same behind every transport.

Importing this module imports the `mcp` SDK, which takes most of a second and tens of megabytes;
`Gate` does so after the listener is up, and nothing else may.
"""

from mcp import MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

import symphony
from symphony.core.text import one_line
from symphony.mcp_server.desk import UNKNOWN_CLIENT, Desk
from symphony.mcp_server.tools import instructions_of, unknown_tool

CLIENT_SHOWN = 100  # characters of a client's name and version


def build_server(desk: Desk) -> Server[object]:
    """Return a server whose tools end at this desk."""
    listing = types.ListToolsResult(
        tools=[
            types.Tool(name=tool.name, description=tool.description, input_schema=dict(tool.schema))
            for tool in desk.tools.values()
        ]
    )

    async def list_tools(
        ctx: ServerRequestContext[object], _: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        await desk.listed(client_name(ctx))
        return listing

    async def call_tool(
        ctx: ServerRequestContext[object], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        if params.name not in desk.tools:
            raise MCPError(types.INVALID_PARAMS, unknown_tool(params.name, desk.tools))
        answer = await desk.call(params.name, params.arguments or {}, client_name(ctx))
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=answer.text)], is_error=answer.failed
        )

    return Server(
        "symphony",
        version=symphony.__version__,
        instructions=instructions_of(desk.exits),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def client_name(ctx: ServerRequestContext[object]) -> str:
    """Return the client's name and version as far as it has told them."""
    params = ctx.session.client_params
    if params is None:
        return UNKNOWN_CLIENT
    info = params.client_info
    return one_line(f"{info.name} {info.version}", CLIENT_SHOWN) or UNKNOWN_CLIENT
