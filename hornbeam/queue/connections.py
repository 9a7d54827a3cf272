"""Redis clients with timeouts that suit what is fleeting: a hung server must not hang us."""

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from hornbeam.settings import Settings

CONNECT_SECONDS = 0.5


def connect(settings: Settings, *, timeout: float = 0.5) -> Redis:
    """A client whose calls take at most about twice `timeout`. Connects when it is first used."""
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=timeout,
        socket_connect_timeout=CONNECT_SECONDS,
        # One more try at once: the first one finds the connections of a server that was restarted.
        retry=Retry(NoBackoff(), 1),
    )


def connect_async(settings: Settings, *, timeout: float | None = 0.5) -> AsyncRedis:
    """The same for asyncio. No timeout for those who block on the server and keep time themselves."""
    return AsyncRedis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=timeout,
        socket_connect_timeout=CONNECT_SECONDS,
        retry=AsyncRetry(NoBackoff(), 1),
    )
