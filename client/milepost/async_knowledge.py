"""As `milepost.knowledge`, for asyncio."""

from collections.abc import AsyncGenerator, Iterable

import httpx

from milepost import file_requests
from milepost.conversations import Pace
from milepost.exchanges import AsyncExchange
from milepost.file_requests import StatusesById
from milepost.paths import status_path
from milepost.waiting import wait
from milepost.watching import watch
from milepost_schemas.document import Status
from milepost_schemas.http import FileDetails, FileList, FileLog, ProcessingStatus, StorageUsage


class AsyncKnowledge:
    """As `Knowledge`, for asyncio."""

    def __init__(self, client: httpx.AsyncClient, pace: Pace) -> None:
        self._client = client
        self._pace = pace

    async def get_processing_status(
        self, *, organization_id: str, store_id: str, file_id: str
    ) -> ProcessingStatus:
        """As `Knowledge.get_processing_status`."""
        conversation = file_requests.get_status(
            self._pace, organization_id=organization_id, store_id=store_id, file_id=file_id
        )
        return await AsyncExchange(self._client).carry_out(conversation)

    async def wait_until_processed(
        self, *, organization_id: str, store_id: str, file_id: str, timeout_s: float
    ) -> ProcessingStatus:
        """As `Knowledge.wait_until_processed`."""
        path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
        return await AsyncExchange(self._client).carry_out(wait(path, timeout_s, self._pace))

    def watch(
        self, *, organization_id: str, store_id: str, file_id: str, timeout_s: float
    ) -> AsyncGenerator[ProcessingStatus, None]:
        """As `Knowledge.watch`; put it into `contextlib.aclosing` if you may leave it early."""
        path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
        return AsyncExchange(self._client).listen(watch(path, timeout_s, self._pace))

    async def get_processing_statuses(
        self, *, organization_id: str, store_id: str, file_ids: Iterable[str]
    ) -> StatusesById:
        """As `Knowledge.get_processing_statuses`."""
        conversation = file_requests.get_statuses(
            self._pace, organization_id=organization_id, store_id=store_id, file_ids=file_ids
        )
        return await AsyncExchange(self._client).carry_out(conversation)

    async def list_files(  # noqa: PLR0913  as many as the interface has
        self,
        *,
        organization_id: str,
        store_id: str,
        status: Status | None = None,
        search: str | None = None,
        skip: int = 0,
        limit: int = 20,
    ) -> FileList:
        """As `Knowledge.list_files`."""
        conversation = file_requests.list_files(
            self._pace,
            organization_id=organization_id,
            store_id=store_id,
            status=status,
            search=search,
            skip=skip,
            limit=limit,
        )
        return await AsyncExchange(self._client).carry_out(conversation)

    async def get_file(self, *, organization_id: str, store_id: str, file_id: str) -> FileDetails:
        """As `Knowledge.get_file`."""
        conversation = file_requests.get_file(
            self._pace, organization_id=organization_id, store_id=store_id, file_id=file_id
        )
        return await AsyncExchange(self._client).carry_out(conversation)

    async def get_file_logs(self, *, organization_id: str, store_id: str, file_id: str) -> FileLog:
        """As `Knowledge.get_file_logs`."""
        conversation = file_requests.get_file_logs(
            self._pace, organization_id=organization_id, store_id=store_id, file_id=file_id
        )
        return await AsyncExchange(self._client).carry_out(conversation)

    async def get_usage(self, *, organization_id: str) -> StorageUsage:
        """As `Knowledge.get_usage`."""
        conversation = file_requests.get_usage(self._pace, organization_id=organization_id)
        return await AsyncExchange(self._client).carry_out(conversation)
