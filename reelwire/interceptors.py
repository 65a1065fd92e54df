"""Errors → gRPC statuses, for every call of a server. Nothing else turns one into the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
import grpc.aio

from reelwire.errors import Internal, ReelwireError
from reelwire.status import DETAILS_KEY, code_of, details_of, message_of

log = logging.getLogger(__name__)
Context = grpc.aio.ServicerContext[Any, Any]
Behavior = Callable[[Any, Context], Any]
Handler = Any  # the stubs know the blocking handlers only


async def _abort(context: Context, error: Exception, method: str) -> NoReturn:
    if not isinstance(error, ReelwireError):
        log.exception("%s failed", method, exc_info=error)
        error = Internal(f"internal error in {method}")
    await context.abort(
        code_of(error), message_of(error), trailing_metadata=((DETAILS_KEY, details_of(error)),)
    )


class ErrorsToStatus(grpc.aio.ServerInterceptor):
    """Wraps our handlers: a ReelwireError ends the call with its code, message and details; anything else
    with INTERNAL and a fixed text, its stack in the log."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler, wrapped; those of other packages (health, reflection, channelz) as they are."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or not method.startswith("/reelwire."):
            return handler
        serial = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(_streaming(handler.stream_stream, method), **serial)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(_single(handler.stream_unary, method), **serial)
        return grpc.unary_unary_rpc_method_handler(_single(handler.unary_unary, method), **serial)


def _single(behavior: Behavior, method: str) -> Behavior:
    async def call(request: Any, context: Context) -> Any:
        try:
            return await behavior(request, context)
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception as error:
            await _abort(context, error, method)

    return call


def _streaming(behavior: Behavior, method: str) -> Behavior:
    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        try:
            await behavior(requests, context)
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception as error:
            await _abort(context, error, method)

    return call
