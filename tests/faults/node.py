"""A broker of the tests' own, to be broken: stopped, killed, frozen, cut and alarmed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aio_pika
from aiormq.exceptions import ChannelNotFoundEntity

from worker.broker.node_folder import NODE_NAME
from worker.broker.private_broker import PrivateBroker
from worker.runtime.ports import LOOPBACK

# An Erlang machine beside the node, which evaluates there what it reads here, line by line: starting `rabbitmqctl` for
# each takes seconds, this takes none.
_SHELL = f"""
Loop = fun Loop() ->
    case io:get_line("") of
        eof -> halt();
        Line ->
            {{ok, Tokens, _}} = erl_scan:string(Line),
            {{ok, Expressions}} = erl_parse:parse_exprs(Tokens),
            case rpc:call('{NODE_NAME}', erl_eval, exprs, [Expressions, []]) of
                {{value, Value, _}} -> io:format("~0p~n", [Value]);
                Other -> io:format("failed: ~0p~n", [Other])
            end,
            Loop()
    end
end,
Loop().
"""
_MEMORY_ALARM = "{resource_limit, memory, node()}"


def _of_queue(name: str, wanted: str, otherwise: str) -> str:
    lookup = f'rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{name}">>))'
    return f"case {lookup} of {{ok, Queue}} -> {wanted}; _ -> {otherwise} end"


@dataclass(frozen=True, slots=True)
class Node:
    """The broker, and the shell that reaches into it."""

    broker: PrivateBroker
    shell: asyncio.subprocess.Process

    async def evaluate(self, expression: str) -> str:
        """The value of an Erlang expression on the node. AssertionError when it fails."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{expression}.\n".encode())
        answer = (await self.shell.stdout.readline()).decode().strip()
        assert answer
        assert not answer.startswith("failed:"), f"{expression} {answer}"
        return answer

    async def stop(self) -> None:
        """Stop the broker in order; its Erlang machine goes on."""
        await self.evaluate("rabbit:stop()")

    async def start(self) -> None:
        """Start it again, if it was stopped."""
        await self.evaluate("rabbit:start()")

    async def restart(self) -> None:
        """Stop it in order, and start it again."""
        await self.stop()
        await self.start()

    async def crash(self) -> None:
        """`kill -9`, and a start."""
        await self.broker.kill()
        await self.broker.restart()

    async def cut(self, name: str) -> None:
        """End a client's connection, once it is there, from one moment to the next, as a failing network does."""
        named = f'lists:keyfind(<<"connection_name">>, 1, Said) =:= {{<<"connection_name">>, longstr, <<"{name}">>}}'
        told = "rabbit_networking:connection_info_all([pid, client_properties])"
        kill = f"[exit(P, kill) || [{{pid, P}}, {{client_properties, Said}}] <- {told}, is_list(Said), {named}]"
        async with asyncio.timeout(20):
            while await self.evaluate(kill) == "[]":
                pass

    async def cut_one(self, name: str) -> None:
        """The same, for one of all clients that have a name, if there is one."""
        named = f'lists:keyfind(<<"connection_name">>, 1, Said) =:= {{<<"connection_name">>, longstr, <<"{name}">>}}'
        told = "rabbit_networking:connection_info_all([pid, client_properties])"
        all_named = f"[P || [{{pid, P}}, {{client_properties, Said}}] <- {told}, is_list(Said), {named}]"
        await self.evaluate(
            f"case {all_named} of [] -> []; Ps -> exit(lists:nth(rand:uniform(length(Ps)), Ps), kill) end"
        )

    async def alarm(self) -> None:
        """Say that memory is short, which blocks everybody who publishes."""
        await self.evaluate(f"rabbit_alarm:set_alarm({{{_MEMORY_ALARM}, []}})")

    async def mend(self) -> None:
        """Make it whole again, whatever was done to it."""
        self.broker.resume()
        if not self.broker.running:
            await self.broker.restart()
        await self.start()
        await self.all_clear()

    async def all_clear(self) -> None:
        """End the alarm."""
        await self.evaluate(f"rabbit_alarm:clear_alarm({_MEMORY_ALARM})")

    async def is_empty(self, queue: str) -> bool:
        """Whether a queue holds nothing, neither waiting nor delivered and not yet acknowledged."""
        info = await self.evaluate(_of_queue(queue, "rabbit_amqqueue:info(Queue, [messages])", "none"))
        return "{messages,0}" in info

    async def workers_of(self, queue: str) -> int:
        """How many consumers a queue has, if it is there, those included that wait to be the active one."""
        return int(await self.evaluate(_of_queue(queue, "length(rabbit_amqqueue:consumers(Queue))", "0")))

    async def delete_queue(self, name: str) -> None:
        """Delete a queue with all that is in it, whoever consumes from it."""
        async with await aio_pika.connect(self.broker.url) as connection:
            await (await connection.channel()).queue_delete(name)


async def consumers(url: str, queue: str) -> int:
    """How many consumers a queue has; none if it isn't there."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        try:
            declared = await channel.declare_queue(queue, passive=True)
        except ChannelNotFoundEntity:
            return 0
        return declared.declaration_result.consumer_count or 0


async def waiting(url: str, queue: str) -> int:
    """How many messages wait in a queue."""
    async with await aio_pika.connect(url) as connection:
        declared = await (await connection.channel()).declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


@asynccontextmanager
async def own_node(folder: Path) -> AsyncIterator[Node]:
    """A node, and its shell, until the end of the context."""
    async with PrivateBroker(folder) as broker:
        shell = await asyncio.create_subprocess_exec(
            *("erl", "-noshell", "-hidden", "-sname", "faults@localhost", "-start_epmd", "false"),
            *("-kernel", "inet_dist_use_interface", f"{{{LOOPBACK.replace('.', ',')}}}", "-eval", _SHELL),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=broker.environment,
        )
        try:
            yield Node(broker, shell)
        finally:
            shell.kill()
            await shell.wait()
